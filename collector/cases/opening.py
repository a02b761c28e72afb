"""A new case: its number, place, departments and deadline, from an alarm, its class and its part."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import insert as plain_insert

from collector.alarms.happening import Alarm
from collector.cases import record
from collector.cases.classes import Held as HeldClass
from collector.cases.desk import CaseDesk
from collector.cases.life import SENSOR, Party, Stage
from collector.cases.outgoing import Kind, post
from collector.cases.settings import CaseClass, case_number
from collector.cases.similar import HOUR_MS, Likeness, Spot, box, distance_m, similar
from collector.cases.tables import case_similar
from collector.database import insert
from collector.held import Held
from collector.parts.model import Part
from collector.tables import case_numbers, cases

LOOKED_AT_MAX = 1_000
"""Of open cases of the class near by, so many are measured."""


class Opening:
    """Opens cases, each with its first stage, what it resembles, and its way to the platform."""

    def __init__(
        self,
        district: str,
        desk: CaseDesk,
        find_part: Callable[[Connection, str], Part | None],
        *,
        number_template: str,
        utc_offset_min: int,
        new_id: Callable[[], str],
    ) -> None:
        """``new_id`` gives 32 hexadecimal digits."""
        self._district, self._desk, self._find_part = district, desk, find_part
        self._number_template = number_template
        self._offset = timedelta(minutes=utc_offset_min)
        self._new_id = new_id

    def grid_of(self, connection: Connection, alarm: Alarm) -> str:
        """Return the unit grid of what an alarm is about; its division where the part is not registered."""
        part = self._find_part(connection, alarm.part) if alarm.part else None
        return part.grid if part else alarm.part[:6]

    def open(
        self,
        connection: Connection,
        alarm: Alarm,
        held: HeldClass,
        key: str,
        at_ms: int,
        *,
        incident_id: str,
        repeat_of: str,
    ) -> str:
        """Open a case of an alarm and return its id."""
        case = self._row(connection, alarm, held, at_ms)
        case |= {"problem_key": key, "incident_id": incident_id, "repeat_of": repeat_of}
        connection.execute(plain_insert(cases).values(case))
        case_id = str(case["id"])
        record.entered(
            connection,
            case_id,
            Stage.COLLECTED,
            record.OPENING,
            at_ms,
            who=SENSOR.name,
            party=Party.SENSOR,
            note=alarm.message,
        )
        if repeat_of:
            record.happened(connection, case_id, at_ms, "repeats", SENSOR.name, {"case_id": repeat_of})
        if case["waits_for"]:
            asked = {"lon": case["lon"], "lat": case["lat"], "until_ms": case["confirm_until_ms"]}
            record.happened(connection, case_id, at_ms, "confirmation_asked", SENSOR.name, asked)
        self._note_similar(connection, case, held.entry)
        post(connection, case_id, Kind.OPENED, at_ms, self._source(alarm))
        return case_id

    def note_siblings(self, connection: Connection, case: Held, siblings: Sequence[Held]) -> None:
        """List other open cases of the same incident as similar: a person may merge them."""
        rows = [
            {
                "case_id": case.id,
                "other_id": each.id,
                "distance_m": distance_m(_spot(case), _spot(each))
                if None not in (case.lon, case.lat, each.lon, each.lat)
                else 0.0,
                "apart_ms": abs(case.opened_ms - each.opened_ms),
            }
            for each in siblings
        ]
        connection.execute(insert(connection, case_similar).on_conflict_do_nothing(), rows)

    def _row(self, connection: Connection, alarm: Alarm, held: HeldClass, opened_ms: int) -> dict[str, Any]:
        entry = held.entry
        part = self._find_part(connection, alarm.part) if alarm.part else None
        grid = part.grid if part else ""
        due = self._desk.deadlines.due(entry, grid, opened_ms)
        asks = entry.needs_confirmation
        return {
            "id": self._new_id(),
            "number": self._number(connection, entry.code, opened_ms),
            "stage": Stage.COLLECTED.value,
            "stage_ms": opened_ms,
            "problem": alarm.problem,
            "class_code": entry.code,
            "title_en": entry.title.en,
            "title_zh": entry.title.zh,
            "gateway": alarm.gateway,
            "device": alarm.device,
            "part": alarm.part,
            "part_name": part.name if part else "",
            "lon": part.lon if part else None,
            "lat": part.lat if part else None,
            "grid": grid,
            "area": (grid or alarm.part)[:6],
            "street": grid[:9],
            "in_charge": part.in_charge if part else "",
            "owner": part.owner if part else "",
            "maintainer": part.maintainer if part else "",
            "description": alarm.message,
            "opened_ms": opened_ms,
            "filed_ms": None,
            "platform_number": "",
            "severity": entry.severity,
            "urgent": entry.urgent,
            "limit_words": due.words,
            "deadline_ms": due.at_ms,
            "warnings": json.dumps([asdict(each) for each in due.warnings], ensure_ascii=False),
            "waits_for": "confirmation" if asks else "",
            "confirm_until_ms": opened_ms + entry.confirmation_timeout_min * 60_000 if asks else None,
            "version": 1,
            "version_of_tables": held.version,
        }

    def _number(self, connection: Connection, code: str, opened_ms: int) -> str:
        date = f"{datetime.fromtimestamp(opened_ms / 1000, UTC) + self._offset:%Y%m%d}"
        statement = insert(connection, case_numbers).values(date=date, last=1)
        statement = statement.on_conflict_do_update(
            index_elements=["date"], set_={"last": case_numbers.c.last + 1}
        )
        connection.execute(statement)
        last = connection.execute(select(case_numbers.c.last).where(case_numbers.c.date == date)).scalar_one()
        return case_number(self._number_template, self._district, date, code, last)

    def _note_similar(self, connection: Connection, case: Mapping[str, Any], entry: CaseClass) -> None:
        if not entry.similar_within_m or case["lon"] is None or case["lat"] is None:
            return
        new = Spot(case["id"], case["lon"], case["lat"], case["opened_ms"])
        for each in self._similar(connection, new, entry):
            connection.execute(
                plain_insert(case_similar).values(
                    case_id=new.case_id,
                    other_id=each.case_id,
                    distance_m=each.distance_m,
                    apart_ms=each.apart_ms,
                )
            )

    def _similar(self, connection: Connection, new: Spot, entry: CaseClass) -> list[Likeness]:
        lon_least, lon_most, lat_least, lat_most = box(new, entry.similar_within_m)
        since_ms = new.opened_ms - round(entry.similar_within_h * HOUR_MS)
        query = select(cases.c.id, cases.c.lon, cases.c.lat, cases.c.opened_ms).where(
            cases.c.closed_ms.is_(None),
            cases.c.class_code == entry.code,
            cases.c.lon.between(lon_least, lon_most),
            cases.c.lat.between(lat_least, lat_most),
            cases.c.opened_ms >= since_ms,
        )
        rows = connection.execute(query.order_by(cases.c.row.desc()).limit(LOOKED_AT_MAX))
        return similar(
            new,
            [Spot(*row) for row in rows],
            within_m=entry.similar_within_m,
            within_h=entry.similar_within_h,
            count_max=self._desk.limits.similar_max,
        )

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


def _spot(case: Held) -> Spot:
    return Spot(case.id, case.lon, case.lat, case.opened_ms)
