"""Cases: one for each problem of a part, opened by an alarm and found again by the next.

A problem is a part of the city (or a device, where no part is declared) with a problem class. While its case
is open, further alarms attach to it. Everything is written in the caller's transaction.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms.happening import Alarm
from collector.cases.outgoing import Kind, post
from collector.database import insert
from collector.parts.model import Parts
from collector.settings import CaseClass, case_number
from collector.tables import alarms, case_numbers, cases


class Stage(StrEnum):
    """The seven stages of a case, in order (GB/T 30428)."""

    COLLECTED = "collected"
    FILED = "filed"
    DISPATCHED = "dispatched"
    IN_HAND = "in_hand"
    REPORTED = "reported"
    VERIFIED = "verified"
    EVALUATED = "evaluated"


CLOSED = (Stage.VERIFIED, Stage.EVALUATED)


class CaseBook:
    """Knows the city's case classes and parts, and opens cases by them."""

    def __init__(
        self,
        district: str,
        classes: Mapping[str, CaseClass],
        parts: Parts,
        *,
        number_template: str,
        utc_offset_min: int,
        new_id: Callable[[], str],
    ) -> None:
        """``classes`` by problem; ``new_id`` gives 32 hexadecimal digits."""
        self._district, self._classes, self._parts = district, classes, parts
        self._number_template = number_template
        self._offset = timedelta(minutes=utc_offset_min)
        self._new_id = new_id

    def raised(self, connection: Connection, alarm: Alarm) -> None:
        """Attach an alarm to its problem's open case, opening one with its outbox row if there is none.

        Not one of planned work, nor one whose problem has no class here.
        """
        if alarm.problem not in self._classes or alarm.planned:
            return
        key = problem_key(alarm)
        query = select(cases.c.id).where(cases.c.problem_key == key, cases.c.stage.not_in(CLOSED))
        found: str | None = connection.execute(query).scalar()
        connection.execute(
            update(alarms)
            .where(alarms.c.gateway == alarm.gateway, alarms.c.id == alarm.id)
            .values(case_id=found or self._open(connection, alarm, key))
        )

    def cleared(self, connection: Connection, alarm: Alarm) -> None:
        """See Follower: a case goes on whether its alarm does or not."""

    def _open(self, connection: Connection, alarm: Alarm, key: str) -> str:
        case_class = self._classes[alarm.problem]
        part = self._parts.find(connection, alarm.part)
        case: dict[str, Any] = {
            "id": self._new_id(),
            "number": self._number(connection, case_class.code, alarm.received_ms),
            "stage": Stage.COLLECTED.value,
            "problem_key": key,
            "problem": alarm.problem,
            "class_code": case_class.code,
            "title_en": case_class.title.en,
            "title_zh": case_class.title.zh,
            "gateway": alarm.gateway,
            "device": alarm.device,
            "part": alarm.part,
            "part_name": part.name if part else "",
            "lon": part.lon if part else None,
            "lat": part.lat if part else None,
            "grid": part.grid if part else "",
            "in_charge": part.in_charge if part else "",
            "owner": part.owner if part else "",
            "maintainer": part.maintainer if part else "",
            "description": alarm.message,
            "opened_ms": alarm.received_ms,
            "filed_ms": None,
            "platform_number": "",
            "deadline_ms": alarm.received_ms + round(case_class.deadline_h * 3_600_000),
        }
        connection.execute(plain_insert(cases).values(case))
        post(connection, case["id"], Kind.OPENED, alarm.received_ms, self._source(alarm))
        return str(case["id"])

    def _number(self, connection: Connection, code: str, opened_ms: int) -> str:
        date = f"{datetime.fromtimestamp(opened_ms / 1000, UTC) + self._offset:%Y%m%d}"
        statement = insert(connection, case_numbers).values(date=date, last=1)
        statement = statement.on_conflict_do_update(
            index_elements=["date"], set_={"last": case_numbers.c.last + 1}
        )
        connection.execute(statement)
        last = connection.execute(select(case_numbers.c.last).where(case_numbers.c.date == date)).scalar_one()
        return case_number(self._number_template, self._district, date, code, last)

    def _source(self, alarm: Alarm) -> dict[str, Any]:
        """Return where the case comes from, for the city platform."""
        return {
            "source": {
                "district": self._district,
                "gateway": alarm.gateway,
                "device": alarm.device,
                "point": alarm.point,
                "alarm": alarm.id,
                "priority": str(alarm.priority),
            },
            "raised_ms": alarm.raised_ms,
        }


def problem_key(alarm: Alarm) -> str:
    """Return what makes two alarms the same problem."""
    place = f"part/{alarm.part}" if alarm.part else f"device/{alarm.gateway}/{alarm.device}"
    return f"{place}/{alarm.problem}"
