"""What of alarms and their life is old."""

from sqlalchemy import ColumnElement

from collector.alarms.tables import annunciations, conditions, floods, silences
from collector.old_rows import Old
from collector.tables import alarms


def old(before_ms: int, *still_needed: ColumnElement[bool]) -> list[Old]:
    """Return alarms that are over and of no case, what was annunciated; a source at rest is forgotten.

    ``still_needed`` says of ``alarms`` what others need them for.
    """
    over = [alarms.c.cleared_ms.is_not(None), alarms.c.case_id.is_(None)]
    at_rest = [
        ~conditions.c.active,
        conditions.c.acked,
        ~conditions.c.latched,
        conditions.c.shelving == "unshelved",
        conditions.c.suppressed == "[]",
        ~conditions.c.out_of_service,
    ]
    return [
        Old((alarms.c.row,), [alarms.c.received_ms < before_ms, *over, *(~each for each in still_needed)]),
        Old((annunciations.c.row,), [annunciations.c.at_ms < before_ms]),
        Old((floods.c.row,), [floods.c.ended_ms < before_ms]),
        Old((silences.c.row,), [silences.c.ends_at_ms < before_ms, silences.c.ended]),
        Old((conditions.c.row,), [conditions.c.changed_ms < before_ms, *at_rest], is_numbered=True),
    ]
