"""What gateways say of the documents that they hold: the sequence in force, the highest they ever took."""

import logging
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as plain_insert

from collector.desired.states import WANTED
from collector.tables import desired, desired_heard
from contract.desired import DesiredKind
from contract.messages import Hello

_log = logging.getLogger(__name__)

JUMP_MAX = 1_000_000
"""So far ahead of what is known here a gateway may be, after a backup was put back."""


class Heard(NamedTuple):
    """Of one gateway and kind; ``highest`` 0 where it never took any."""

    in_force: int | None = None
    highest: int = 0
    highest_issued_ms: int = 0


def of(connection: Connection, gateway: str, kind: str) -> Heard:
    """Return what is known."""
    columns = (desired_heard.c.in_force, desired_heard.c.highest, desired_heard.c.highest_issued_ms)
    where = (desired_heard.c.gateway == gateway, desired_heard.c.kind == kind)
    row = connection.execute(select(*columns).where(*where)).first()
    return Heard(*row) if row else Heard()


def keep(connection: Connection, gateway: str, kind: str, heard: Heard, heard_ms: int) -> None:
    """Note it."""
    where = (desired_heard.c.gateway == gateway, desired_heard.c.kind == kind)
    told = heard._asdict() | {"heard_ms": heard_ms}
    if not connection.execute(update(desired_heard).where(*where).values(told)).rowcount:
        connection.execute(plain_insert(desired_heard).values(told | {"gateway": gateway, "kind": kind}))


def believed(connection: Connection, gateway: str, kind: str, highest: int) -> int:
    """Return what a gateway says it took, or 0: one far ahead would use up the numbers there are."""
    newest = select(func.max(desired.c.sequence)).where(desired.c.gateway == gateway, desired.c.kind == kind)
    if highest <= (connection.execute(newest).scalar() or 0) + JUMP_MAX:
        return highest
    _log.warning("%s says it took sequence %d of %s, which is not believed", gateway, highest, kind)
    return 0


def greeted(connection: Connection, hello: Hello, received_ms: int, *, is_old: bool) -> None:
    """Take what a hello says is in force; what should be and is not is published now.

    One that ``is_old``, which the broker repeats, only tells of sequences that were taken.
    """
    for kind in DesiredKind:
        sequence, before = hello.desired.get(kind), of(connection, hello.gateway, kind)
        highest = max(before.highest, believed(connection, hello.gateway, kind, sequence or 0))
        in_force = before.in_force if is_old else sequence
        after = before._replace(in_force=in_force, highest=highest)
        if highest > before.highest:
            after = after._replace(highest_issued_ms=0)  # nobody said when that was issued
        if after != before:
            keep(connection, hello.gateway, kind, after, received_ms)
        if not is_old:
            _publish_if_other(connection, hello.gateway, kind, sequence, received_ms)


def _publish_if_other(
    connection: Connection, gateway: str, kind: str, sequence: int | None, now_ms: int
) -> None:
    """Publish the newest document now, unless it is the one in force there."""
    of_kind = (desired.c.gateway == gateway, desired.c.kind == kind)
    newest = select(func.max(desired.c.sequence)).where(*of_kind).scalar_subquery()
    connection.execute(
        update(desired)
        .where(*of_kind, desired.c.sequence == newest, desired.c.sequence.is_distinct_from(sequence))
        .where(desired.c.state.in_(WANTED))
        .values(next_ms=now_ms)
    )
