"""What the pages show, read from the state and the store; every list is bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, or_, select, tuple_

from collector import registry
from collector.alarms import figures, silences, standings
from collector.alarms.tables import conditions
from collector.alarms.views import ConditionView, condition_view
from collector.held import Lookup
from collector.incidents import rows as incident_rows
from collector.incidents import views as incident_views
from collector.incidents.views import IncidentView, MemberView
from collector.series import reading as series_reading
from collector.series.reading import Reading
from collector.tables import alarms as alarms_table
from collector.tables import cases
from collector.tables import devices as devices_table
from contract.events import Priority
from device_profiles.schema import Profile

ALARMS_MAX = 300
_NUMBERS = Lookup(
    select(alarms_table.c.gateway, alarms_table.c.id, alarms_table.c.case_id, cases.c.number).join(
        cases, cases.c.id == alarms_table.c.case_id
    ),
    alarms_table.c.gateway,
    alarms_table.c.id,
)
MEMBERS_MAX = 100
INCIDENTS_MAX = 200
POINTS_PER_DEVICE_MAX = 64
_RANK = {priority: rank for rank, priority in enumerate(reversed(Priority))}


class Shown(StrEnum):
    """Which alarms: those that want somebody, or one of the three lists of what is set aside."""

    OPEN = "open_alarms"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


@dataclass(frozen=True, slots=True)
class ListedAlarm:
    """An alarm with the title of its device, its case and its incident, empty where there is none."""

    condition: ConditionView
    title: str
    case_id: str
    case_number: str
    incident_id: str


@dataclass(frozen=True, slots=True)
class FoundAlarm(ListedAlarm):
    """One alarm, with its limit and value when it was raised."""

    limit: float | None
    value: str


@dataclass(frozen=True, slots=True)
class ShownPoint:
    """A point's newest value."""

    reading: Reading
    unit: str
    title_en: str
    title_zh: str


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device with its points."""

    gateway: str
    device: str
    title: str
    part: str
    profile: str
    points: list[ShownPoint]


def alarms(connection: Connection, shown: Shown, now_ms: int) -> list[ListedAlarm]:
    """Return a list: unacknowledged ones first, then by priority, then the newest."""
    if shown is Shown.OPEN:
        wanted = or_(figures.listed("active"), figures.listed("unacked"))
    else:
        wanted = figures.listed(str(shown))
    query = select(conditions).where(wanted).order_by(conditions.c.activated_ms.desc()).limit(ALARMS_MAX)
    silenced = silences.active(connection, now_ms)
    found = [condition_view(row, silenced) for row in connection.execute(query)]
    found.sort(key=lambda each: (each.acked, _RANK[each.priority], -each.activated_ms))
    return _with_names(connection, found)


def alarm(connection: Connection, row: int, now_ms: int) -> FoundAlarm | None:
    """Return one alarm, or None."""
    found = standings.one(connection, row)
    if found is None:
        return None
    [listed] = _with_names(connection, [condition_view(found, silences.active(connection, now_ms))])
    query = select(alarms_table.c.limit, alarms_table.c.value).where(
        alarms_table.c.gateway == found.gateway, alarms_table.c.id == found.alarm_id
    )
    occurrence = connection.execute(query).first()
    return FoundAlarm(
        listed.condition,
        listed.title,
        listed.case_id,
        listed.case_number,
        listed.incident_id,
        occurrence.limit if occurrence else None,
        occurrence.value if occurrence else "",
    )


def incidents(connection: Connection) -> list[IncidentView]:
    """Return the incidents that are open, then the newest that are not."""
    found = []
    for is_open in (True, False):
        rows = incident_views.page_rows(
            connection, is_open=is_open, merged=False, rule="", area="", before=0, limit=INCIDENTS_MAX // 2
        )
        found += [incident_views.view(row) for row in rows]
    return found


def incident(connection: Connection, incident_id: str) -> tuple[IncidentView, list[MemberView]] | None:
    """Return an incident with its newest alarms, or None."""
    row = incident_views.one(connection, incident_id)
    if row is None:
        return None
    members = incident_views.member_rows(connection, incident_id, 0, MEMBERS_MAX)
    return incident_views.view(row), [incident_views.member_view(each) for each in members]


def case_counts(connection: Connection) -> dict[str, int]:
    """Return how many cases there are in each stage."""
    query = select(cases.c.stage, func.count()).group_by(cases.c.stage)
    return {row[0]: row[1] for row in connection.execute(query)}


def devices(connection: Connection, after: tuple[str, str], count: int) -> tuple[list[ShownDevice], str]:
    """Return some devices without values, and where the next page begins, empty where none follows."""
    key = tuple_(devices_table.c.gateway, devices_table.c.device)
    query = select(devices_table).where(key > tuple_(*after))
    rows = connection.execute(
        query.order_by(devices_table.c.gateway, devices_table.c.device).limit(count + 1)
    ).all()
    shown = [
        ShownDevice(row.gateway, row.device, row.title, row.part, row.profile, []) for row in rows[:count]
    ]
    return shown, f"{shown[-1].gateway}/{shown[-1].device}" if len(rows) > count else ""


def with_values(
    connection: Connection, shown: Sequence[ShownDevice], profiles: Mapping[str, Profile], now_ms: int
) -> list[ShownDevice]:
    """Give devices their newest values."""
    for device in shown:
        readings = series_reading.newest(
            connection,
            gateway=device.gateway,
            device=device.device,
            after=None,
            limit=POINTS_PER_DEVICE_MAX,
            now_ms=now_ms,
        )
        profile = profiles.get(device.profile)
        device.points.extend(_shown(reading, profile) for reading in readings)
    return list(shown)


def _shown(reading: Reading, profile: Profile | None) -> ShownPoint:
    entry = profile.point(reading.point) if profile else None
    if entry is None:
        return ShownPoint(reading, "", reading.point, reading.point)
    return ShownPoint(reading, entry.unit or "", entry.title.en, entry.title.zh)


def _with_names(connection: Connection, found: Sequence[ConditionView]) -> list[ListedAlarm]:
    """Look up what belongs to alarms: titles of devices, cases, incidents."""
    keys = [(each.gateway, each.alarm_id) for each in found]
    devices = registry.devices_named(connection, [(each.gateway, each.device) for each in found])
    titles = {key: row.title for key, row in devices.items()}
    numbers = {(row.gateway, row.id): (row.case_id, row.number) for row in _NUMBERS.rows(connection, keys)}
    within = incident_rows.incidents_of(connection, keys)
    return [
        ListedAlarm(
            each,
            titles.get((each.gateway, each.device), ""),
            *numbers.get(key, ("", "")),
            within.get(key, ""),
        )
        for each, key in zip(found, keys, strict=True)
    ]
