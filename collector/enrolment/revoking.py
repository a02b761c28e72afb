"""What is revoked: certificates by their numbers, and whatever was issued to a name until then.

A centre whose tables were put back from a backup does not know what it issued since. Its own numbers it can
say again, for they follow from the authority's key: those that a name may have had beyond the last that is
known are revoked as well.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice

from cryptography import x509
from sqlalchemy import Connection, func, select

from collector.database import insert
from collector.enrolment import certificates, codes
from collector.enrolment.authority import REVOKED_MAX, SHORT_SERIAL_BITS, Authority, Revoked
from collector.enrolment.certificates import milliseconds, serial_text
from collector.enrolment.tables import gateway_certificates, name_revocations, revocations
from collector.people import audit
from collector.people.roles import CENTRE, Actor

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """Whose identity is taken back, and why."""

    gateway: str
    reason: str
    ahead: int
    """So many numbers that the name may have had, and nothing here is known to have."""
    not_after_ms: int
    """By then whatever is not known here is over."""
    covered_to: int | None = None
    """Where the name's last order of this run ended: while no number is given since, it covers this one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a revocation has ended."""

    serials: tuple[str, ...]
    """In hexadecimal; those that are known here, and would still have been taken."""
    covered_to: int
    """The first number of the name that is neither given nor revoked."""


def revoke(connection: Connection, authority: Authority, actor: Actor, at_ms: int, order: Order) -> Ended:
    """Revoke whatever was issued to a name until now, known here or not, over or not; its code ends, too."""
    gateway = order.gateway
    codes.end(connection, gateway)
    known = select(revocations.c.serial)
    query = select(gateway_certificates.c.serial, gateway_certificates.c.not_after_ms).where(
        gateway_certificates.c.gateway == gateway, gateway_certificates.c.serial.not_in(known)
    )
    found = connection.execute(query).all()
    told = {"gateway": gateway, "revoked_ms": at_ms, "revoked_by": actor.name, "reason": order.reason}
    for serial, not_after_ms in found:
        connection.execute(
            insert(connection, revocations).values(serial=serial, not_after_ms=not_after_ms, **told)
        )
    end = certificates.numbers_used(connection, gateway)
    ahead = 0 if order.covered_to == end else order.ahead
    columns = name_revocations.c  # numbers that were passed over since the last order are no table's, either
    last = select(func.max(columns.serials_to)).where(columns.gateway == gateway)
    begin = min(connection.execute(last).scalar_one() or 0, end)
    for number, _ in islice(certificates.free_numbers(connection, authority, gateway), ahead):
        end = number + 1
    connection.execute(
        insert(connection, name_revocations).values(
            serials_from=begin,
            serials_to=end,
            not_after_ms=max([order.not_after_ms, *(not_after_ms for _, not_after_ms in found)]),
            **told,
        )
    )
    certificates.use_numbers(connection, gateway, end)
    serials = tuple(serial for serial, _ in found)
    detail = {"reason": order.reason, "certificates": len(serials)}
    audit.note(connection, actor, at_ms, "gateway.revoke", f"gateway/{gateway}", detail)
    return Ended(serials, end)


def is_revoked(connection: Connection, serial: str) -> bool:
    """Say whether a certificate is revoked by its number."""
    return (
        connection.execute(select(revocations.c.serial).where(revocations.c.serial == serial)).first()
        is not None
    )


def is_revoked_by_name(
    connection: Connection, gateway: str, certificate: x509.Certificate, at_ms: int, *, is_next: bool
) -> bool:
    """Say whether a name was revoked after a certificate that the tables do not know was issued to it.

    A certificate begins some minutes before it is issued; what was issued so shortly after a revocation, and
    is not known, is taken for what came before. An order that is yet to come was given by a clock that was
    ahead: its time says nothing, and it ends all but what has one of the numbers after it (``is_next``).
    """
    columns = name_revocations.c
    query = select(columns.row).where(
        columns.gateway == gateway,
        columns.revoked_ms >= _began_ms(certificate),
        *([columns.revoked_ms <= at_ms] if is_next else []),
    )
    return connection.execute(query.limit(1)).first() is not None


def learn(connection: Connection, at_ms: int, gateway: str, certificate: x509.Certificate) -> None:
    """Revoke by its number what was revoked by name, now that somebody has shown it."""
    serial = serial_text(certificate.serial_number)
    connection.execute(
        insert(connection, revocations)
        .values(
            serial=serial,
            gateway=gateway,
            revoked_ms=at_ms,
            revoked_by=CENTRE.name,
            reason="issued before the name was revoked; shown now",
            not_after_ms=milliseconds(certificate.not_valid_after_utc.timestamp()),
        )
        .on_conflict_do_nothing()
    )
    audit.note(connection, CENTRE, at_ms, "gateway.shown", f"gateway/{gateway}", {"serial": serial})


def without(connection: Connection, since_ms: int, limit: int) -> set[str]:
    """Return gateways that lost all that they had since then, and were issued nothing anew."""
    known = select(revocations.c.serial)
    held = select(gateway_certificates.c.gateway).where(gateway_certificates.c.serial.not_in(known))
    query = select(name_revocations.c.gateway).distinct()
    query = query.where(name_revocations.c.revoked_ms >= since_ms)
    query = query.where(name_revocations.c.gateway.not_in(held)).limit(limit)
    return set(connection.execute(query).scalars())


def take_over(connection: Connection, authority: Authority, listed: list[Revoked], not_after_ms: int) -> int:
    """Take over what a former list revokes and the tables do not know: a restored centre forgets none."""
    added, ahead = 0, {each.serial for each in islice(_ahead(connection, authority, 0), REVOKED_MAX)}
    for each in listed[:REVOKED_MAX]:
        if each.serial.bit_length() <= SHORT_SERIAL_BITS + 1 or each.serial in ahead:
            continue
        statement = insert(connection, revocations).values(
            serial=serial_text(each.serial),
            gateway="",
            revoked_ms=each.revoked_ms,
            revoked_by=CENTRE.name,
            reason="on the former list",
            not_after_ms=not_after_ms,
        )
        added += connection.execute(statement.on_conflict_do_nothing()).rowcount
    return added


def listed(connection: Connection, authority: Authority, now_ms: int) -> list[Revoked]:
    """Return what a list of revoked certificates holds, ``REVOKED_MAX`` at most.

    First what is known and not over, then what names may have had, last what a broker refuses as over.
    """
    told: dict[int, int] = {}
    over = revocations.c.not_after_ms <= now_ms
    for which in (~over, None, over):
        found: Iterable[Revoked] = _ahead(connection, authority, now_ms)
        if which is not None:
            query = select(revocations.c.serial, revocations.c.revoked_ms).where(which)
            query = query.order_by(revocations.c.revoked_ms.desc(), revocations.c.serial).limit(REVOKED_MAX)
            found = (Revoked(int(serial, 16), at_ms) for serial, at_ms in connection.execute(query))
        for each in found:
            if len(told) >= REVOKED_MAX:
                _log.error(
                    "the list of revoked certificates is full (%d): what names may have been given and the "
                    "tables forgot is not all on it; serials_revoked_ahead may be less",
                    REVOKED_MAX,
                )
                return [Revoked(*entry) for entry in told.items()]
            told.setdefault(each.serial, each.revoked_ms)
    return [Revoked(*entry) for entry in told.items()]


def _ahead(connection: Connection, authority: Authority, since_ms: int) -> Iterator[Revoked]:
    """Yield the numbers that revoked names may have had and no table knows, but what was over by then.

    Of each order the first: the later ones are the less likely to have been given.
    """
    columns = name_revocations.c
    query = select(columns.gateway, columns.revoked_ms, columns.serials_from, columns.serials_to)
    query = query.where(columns.not_after_ms > since_ms, columns.serials_to > columns.serials_from)
    query = query.order_by(columns.revoked_ms.desc(), columns.row).limit(REVOKED_MAX)
    orders = [tuple(row) for row in connection.execute(query)]
    for place in count():
        orders = [order for order in orders if order[2] + place < order[3]]
        if not orders:
            return
        for gateway, revoked_ms, begin, _ in orders:
            yield Revoked(authority.serial(gateway, begin + place), revoked_ms)


def _began_ms(certificate: x509.Certificate) -> int:
    return milliseconds(certificate.not_valid_before_utc.timestamp())
