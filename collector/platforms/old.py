"""What of the talk with city platforms is old."""

from sqlalchemy import Column, ColumnElement, select

from collector.cases.outgoing import Posting
from collector.old_rows import Looked
from collector.platforms.tables import platform_statuses
from collector.tables import cases, outbox


def looked_through(sent_before_ms: int, told_before_ms: int) -> list[Looked]:
    """Return what was told and heard of cases that were closed before then.

    Of an open case all of it stays: a platform may still speak of it by the key of any message. Of each case
    the first message and the last stay for good: they say whose it is, and how the next is numbered.
    """
    later = outbox.alias()
    is_followed = (
        select(later.c.row).where(later.c.case_id == outbox.c.case_id, later.c.n > outbox.c.n).exists()
    )
    is_done = outbox.c.state == Posting.DONE.value
    between = [outbox.c.at_ms < sent_before_ms, is_done, outbox.c.n > 1, is_followed]
    heard = [platform_statuses.c.received_ms < told_before_ms]
    return [
        Looked(outbox.c.row, [*between, _is_over(outbox.c.case_id, sent_before_ms)]),
        Looked(platform_statuses.c.row, [*heard, _is_over(platform_statuses.c.case_id, told_before_ms)]),
    ]


def _is_over(case_id: "Column[str]", before_ms: int) -> ColumnElement[bool]:
    return select(cases.c.row).where(cases.c.id == case_id, cases.c.closed_ms < before_ms).exists()
