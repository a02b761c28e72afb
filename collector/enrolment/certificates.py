"""What was issued to gateways and what is revoked, in the tables."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Row, delete, func, select

from collector.database import insert
from collector.enrolment import codes
from collector.enrolment.authority import REVOKED_MAX, SHORT_SERIAL_BITS, Revoked
from collector.enrolment.tables import gateway_certificates, revocations
from collector.people import audit
from collector.people.roles import Actor

DAY_MS = 86_400_000


class Origin(StrEnum):
    """On what a certificate was issued."""

    CODE = "code"
    RENEWAL = "renewal"
    EXPIRED = "expired"  # a renewal after its end, as the settings allow


@dataclass(frozen=True, slots=True)
class Ended:
    """What a revocation has ended."""

    serials: tuple[str, ...]
    """In hexadecimal; those that would still have been taken."""


def serial_text(serial: int) -> str:
    """Return a serial number as it is kept."""
    return f"{serial:x}"


def key_digest(key: CertificatePublicKeyTypes) -> str:
    """Return the SHA-256 of a public key."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def keep(
    connection: Connection,
    actor: Actor,
    at_ms: int,
    gateway: str,
    certificate: x509.Certificate,
    origin: Origin,
) -> None:
    """Keep what was issued, with a note of it."""
    serial = serial_text(certificate.serial_number)
    not_after_ms = milliseconds(certificate.not_valid_after_utc.timestamp())
    connection.execute(
        insert(connection, gateway_certificates).values(
            serial=serial,
            gateway=gateway,
            key_digest=key_digest(certificate.public_key()),
            der=certificate.public_bytes(Encoding.DER),
            origin=str(origin),
            issued_ms=at_ms,
            not_before_ms=milliseconds(certificate.not_valid_before_utc.timestamp()),
            not_after_ms=not_after_ms,
        )
    )
    detail = {"serial": serial, "origin": str(origin), "not_after_ms": not_after_ms}
    audit.note(connection, actor, at_ms, "gateway.certificate", f"gateway/{gateway}", detail)


def by_serial(connection: Connection, serial: str) -> x509.Certificate | None:
    """Return what was issued under a serial number."""
    query = select(gateway_certificates.c.der).where(gateway_certificates.c.serial == serial)
    der = connection.execute(query).scalar_one_or_none()
    return x509.load_der_x509_certificate(der) if der is not None else None


def issued_since(connection: Connection, gateway: str, since_ms: int) -> int:
    """Count what was issued to a gateway since then."""
    query = select(func.count()).where(
        gateway_certificates.c.gateway == gateway, gateway_certificates.c.issued_ms >= since_ms
    )
    return connection.execute(query).scalar_one()


def is_revoked(connection: Connection, serial: str) -> bool:
    """Say whether a certificate is revoked."""
    return (
        connection.execute(select(revocations.c.serial).where(revocations.c.serial == serial)).first()
        is not None
    )


def revoke(connection: Connection, actor: Actor, at_ms: int, gateway: str, reason: str) -> Ended:
    """Revoke all of a gateway that is not revoked yet, whether over or not; its code ends, too."""
    codes.end(connection, gateway)
    known = select(revocations.c.serial)
    query = select(gateway_certificates.c.serial, gateway_certificates.c.not_after_ms).where(
        gateway_certificates.c.gateway == gateway, gateway_certificates.c.serial.not_in(known)
    )
    found = connection.execute(query).all()
    for serial, not_after_ms in found:
        connection.execute(
            insert(connection, revocations).values(
                serial=serial,
                gateway=gateway,
                revoked_ms=at_ms,
                revoked_by=actor.name,
                reason=reason,
                not_after_ms=not_after_ms,
            )
        )
    serials = tuple(serial for serial, _ in found)
    detail = {"reason": reason, "certificates": len(serials)}
    audit.note(connection, actor, at_ms, "gateway.revoke", f"gateway/{gateway}", detail)
    return Ended(serials)


def without(connection: Connection, since_ms: int, limit: int) -> set[str]:
    """Return gateways that lost all that they had since then, and were issued nothing anew."""
    known = select(revocations.c.serial)
    held = select(gateway_certificates.c.gateway).where(gateway_certificates.c.serial.not_in(known))
    query = select(revocations.c.gateway).distinct()
    query = query.where(revocations.c.revoked_ms >= since_ms, revocations.c.gateway != "")
    query = query.where(revocations.c.gateway.not_in(held)).limit(limit)
    return set(connection.execute(query).scalars())


def take_over(connection: Connection, listed: list[Revoked], not_after_ms: int) -> int:
    """Take over what a former list revokes and the tables do not know: a restored centre forgets none."""
    added = 0
    for each in listed[:REVOKED_MAX]:
        if each.serial.bit_length() <= SHORT_SERIAL_BITS + 1:
            continue
        statement = insert(connection, revocations).values(
            serial=serial_text(each.serial),
            gateway="",
            revoked_ms=each.revoked_ms,
            revoked_by="centre",
            reason="on the former list",
            not_after_ms=not_after_ms,
        )
        added += connection.execute(statement.on_conflict_do_nothing()).rowcount
    return added


def listed(connection: Connection) -> list[Revoked]:
    """Return everything that a list of revoked certificates holds, the newest first."""
    query = select(revocations.c.serial, revocations.c.revoked_ms)
    query = query.order_by(revocations.c.revoked_ms.desc(), revocations.c.serial).limit(REVOKED_MAX)
    return [Revoked(int(serial, 16), revoked_ms) for serial, revoked_ms in connection.execute(query)]


def of_gateways(connection: Connection, gateway: str, before_row: int, limit: int) -> list[Row[Any]]:
    """Return what was issued, the newest first, with its revocation; ``gateway`` empty: to all."""
    columns = gateway_certificates.c
    query = select(
        columns.row,
        columns.serial,
        columns.gateway,
        columns.origin,
        columns.issued_ms,
        columns.not_before_ms,
        columns.not_after_ms,
        revocations.c.revoked_ms,
        revocations.c.revoked_by,
        revocations.c.reason,
    ).outerjoin(revocations, revocations.c.serial == columns.serial)
    if gateway:
        query = query.where(columns.gateway == gateway)
    if before_row:
        query = query.where(columns.row < before_row)
    return list(connection.execute(query.order_by(columns.row.desc()).limit(limit)))


def forget(connection: Connection, before_ms: int) -> None:
    """Forget what was over before then, revoked or not."""
    for table in (gateway_certificates, revocations):
        connection.execute(delete(table).where(table.c.not_after_ms < before_ms))


def milliseconds(seconds: float) -> int:
    """Return a time of a certificate in milliseconds."""
    return round(seconds * 1000)
