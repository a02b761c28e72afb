"""What was issued to gateways and what is revoked, in the tables."""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from itertools import count, islice
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Row, delete, func, select

from collector.database import insert
from collector.enrolment.authority import Authority
from collector.enrolment.tables import (
    gateway_certificates,
    gateway_serials,
    name_revocations,
    revocations,
)
from collector.people import audit
from collector.people.roles import Actor

DAY_MS = 86_400_000


class Origin(StrEnum):
    """On what a certificate was issued."""

    CODE = "code"
    RENEWAL = "renewal"
    EXPIRED = "expired"  # a renewal after its end, as the settings allow
    UNKNOWN = "unknown"  # issued here, as it says itself; the tables were put back since


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
    """Keep what was issued, with a note of it; what has the number of another is noted only."""
    serial = serial_text(certificate.serial_number)
    not_after_ms = milliseconds(certificate.not_valid_after_utc.timestamp())
    connection.execute(
        insert(connection, gateway_certificates)
        .values(
            serial=serial,
            gateway=gateway,
            key_digest=key_digest(certificate.public_key()),
            der=certificate.public_bytes(Encoding.DER),
            origin=str(origin),
            issued_ms=at_ms,
            not_before_ms=milliseconds(certificate.not_valid_before_utc.timestamp()),
            not_after_ms=not_after_ms,
        )
        .on_conflict_do_nothing()
    )
    detail = {"serial": serial, "origin": str(origin), "not_after_ms": not_after_ms}
    audit.note(connection, actor, at_ms, "gateway.certificate", f"gateway/{gateway}", detail)


def numbers_used(connection: Connection, gateway: str) -> int:
    """Return how many serial numbers a name has had, or was passed over."""
    query = select(gateway_serials.c.used).where(gateway_serials.c.gateway == gateway)
    return connection.execute(query).scalar_one_or_none() or 0


def use_numbers(connection: Connection, gateway: str, used: int) -> None:
    """Note that the numbers before ``used`` are not given any more."""
    statement = insert(connection, gateway_serials).values(gateway=gateway, used=used)
    changed = statement.on_conflict_do_update(index_elements=["gateway"], set_={"used": used})
    connection.execute(changed)


def new_serial(connection: Connection, authority: Authority, gateway: str) -> int:
    """Return the next serial number of a name that no certificate and no list is known to have."""
    [number, serial] = next(free_numbers(connection, authority, gateway))
    use_numbers(connection, gateway, number + 1)
    return serial


def free_numbers(connection: Connection, authority: Authority, gateway: str) -> Iterator[tuple[int, int]]:
    """Yield places and serial numbers that a name may be given next, without end.

    Those that a list from before the tables were put back has are passed over.
    """
    for number in count(numbers_used(connection, gateway)):
        if not _is_taken(connection, serial := authority.serial(gateway, number)):
            yield number, serial


def pass_over(
    connection: Connection, authority: Authority, gateway: str, certificate: x509.Certificate, ahead: int
) -> None:
    """Go on numbering after a certificate that is met, if it has one of the next ``ahead`` numbers."""
    number = next_number(connection, authority, gateway, certificate, ahead)
    if number is not None:
        use_numbers(connection, gateway, number + 1)


def next_number(
    connection: Connection, authority: Authority, gateway: str, certificate: x509.Certificate, ahead: int
) -> int | None:
    """Return which of the next ``ahead`` numbers of a name a certificate has, if it has one."""
    for number, serial in islice(free_numbers(connection, authority, gateway), ahead):
        if serial == certificate.serial_number:
            return number
    return None


def _is_taken(connection: Connection, serial: int) -> bool:
    text = serial_text(serial)
    for table in (gateway_certificates, revocations):
        if connection.execute(select(table.c.serial).where(table.c.serial == text)).first():
            return True
    return False


def is_known(connection: Connection, certificate: x509.Certificate) -> bool:
    """Say whether the tables have this certificate, and not another of its number."""
    return by_serial(connection, serial_text(certificate.serial_number)) == certificate


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
    for table in (gateway_certificates, revocations, name_revocations):
        connection.execute(delete(table).where(table.c.not_after_ms < before_ms))


def milliseconds(seconds: float) -> int:
    """Return a time of a certificate in milliseconds."""
    return round(seconds * 1000)
