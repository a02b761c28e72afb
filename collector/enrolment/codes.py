"""One-time codes: made for one gateway, kept as their digest, used once, tried a few times."""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.enrolment.tables import enrolment_codes
from collector.people import audit
from collector.people.roles import Actor

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No sign that is read, or said over a telephone, as another."""
GROUPS, GROUP_CHARACTERS = 4, 4
"""78 bits: with few tries and few hours nobody guesses one, and no table of digests holds them."""
CODE_CHARACTERS_MAX = 64


class CodesError(ValueError):
    """A code cannot be made; the text says why and what to do."""


class Judged(StrEnum):
    """What a code that was brought is worth."""

    GOOD = "good"
    USED = "used"  # once already; worth something for the same key only
    UNKNOWN = "unknown"
    OVER = "over"
    SPENT = "spent"  # tried wrongly too often


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code to be made."""

    gateway: str
    code: str
    expires_ms: int


def code_of(random_bytes: bytes) -> str:
    """Return a code from 16 random bytes, in groups."""
    number = int.from_bytes(random_bytes, "big")
    characters = ""
    for _ in range(GROUPS * GROUP_CHARACTERS):
        number, place = divmod(number, len(ALPHABET))
        characters += ALPHABET[place]
    return "-".join(
        characters[begin : begin + GROUP_CHARACTERS] for begin in range(0, len(characters), GROUP_CHARACTERS)
    )


def digest(code: str) -> str:
    """Return how a code is kept; groups and cases are as people like them."""
    plain = code.strip().upper().replace("-", "").replace(" ", "")
    return hashlib.sha256(f"gengfu enrolment {plain}".encode()).hexdigest()


def make(connection: Connection, actor: Actor, at_ms: int, new: NewCode, codes_max: int) -> None:
    """Keep a code in place of the gateway's last one; CodesError where there are too many that hold."""
    connection.execute(delete(enrolment_codes).where(enrolment_codes.c.expires_ms <= at_ms))
    connection.execute(delete(enrolment_codes).where(enrolment_codes.c.gateway == new.gateway))
    count = connection.execute(select(func.count()).select_from(enrolment_codes)).scalar_one()
    if count >= codes_max:
        raise CodesError(f"{count} codes hold already; wait until some are over, or raise codes_max")
    connection.execute(
        plain_insert(enrolment_codes).values(
            gateway=new.gateway,
            digest=digest(new.code),
            made_ms=at_ms,
            made_by=actor.name,
            expires_ms=new.expires_ms,
            refused=0,
            used_ms=None,
            used_key=None,
            used_serial=None,
        )
    )
    detail = {"expires_ms": new.expires_ms}
    audit.note(connection, actor, at_ms, "gateway.code", f"gateway/{new.gateway}", detail)


def found(connection: Connection, gateway: str) -> Row[Any] | None:
    """Return the gateway's code, if it has one."""
    return connection.execute(select(enrolment_codes).where(enrolment_codes.c.gateway == gateway)).first()


def judged(row: Row[Any] | None, code: str, at_ms: int, tries_max: int) -> Judged:
    """Judge a code that was brought; the same work whether there is one or not. Pure."""
    matches = hmac.compare_digest(row.digest if row else "", digest(code[:CODE_CHARACTERS_MAX]))
    if row is None:
        return Judged.UNKNOWN
    if row.refused >= tries_max:
        return Judged.SPENT
    if not matches:
        return Judged.UNKNOWN
    if at_ms >= row.expires_ms:
        return Judged.OVER
    return Judged.GOOD if row.used_ms is None else Judged.USED


def refuse(connection: Connection, row: Row[Any]) -> None:
    """Count a wrong code."""
    counted = enrolment_codes.c.refused + 1
    connection.execute(
        update(enrolment_codes).where(enrolment_codes.c.row == row.row).values(refused=counted)
    )


def use(connection: Connection, row: Row[Any], at_ms: int, key_digest: str, serial: str) -> None:
    """Note what the code was used for."""
    connection.execute(
        update(enrolment_codes)
        .where(enrolment_codes.c.row == row.row)
        .values(used_ms=at_ms, used_key=key_digest, used_serial=serial)
    )


def end(connection: Connection, gateway: str) -> None:
    """Forget the gateway's code."""
    connection.execute(delete(enrolment_codes).where(enrolment_codes.c.gateway == gateway))
