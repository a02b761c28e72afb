"""A year of a city's cases as raw rows, by a seed: done in time or late, and all that goes wrong.

Rows are as the desk writes them (``collector.cases``), without its work: 100,000 cases take seconds.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import Any

import chinese_calendar
from sqlalchemy import Connection, insert

from collector.cases.tables import case_events, case_stages
from collector.database import Database
from collector.tables import cases

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
OFFSET = timedelta(hours=8)
YEAR = 2025
FROM_MS = round((datetime(YEAR, 1, 1, tzinfo=UTC) - OFFSET).timestamp() * 1000)
UNTIL_MS = round((datetime(YEAR + 1, 1, 1, tzinfo=UTC) - OFFSET).timestamp() * 1000)
NOW_MS = UNTIL_MS + 20 * DAY_MS
STREETS = [f"{district}{street:03}" for district in range(500101, 500107) for street in range(1, 7)]
DEPARTMENTS = [
    "城管局",
    "自来水公司",
    "路灯所",
    "燃气公司",
    "环卫所",
    "园林局",
    "住建委",
    "电力公司",
    "通信公司",
    "排水公司",
]
CLASSES = (  # code, weight, urgent, hours or working days allowed, who usually does it
    ("010201", 14, False, ("hours", 24), 0),
    ("010204", 3, True, ("hours", 2), 0),
    ("010401", 22, False, ("days", 3), 2),
    ("010405", 4, True, ("hours", 1), 2),
    ("020102", 18, False, ("hours", 4), 4),
    ("020302", 9, False, ("days", 1), 6),
    ("020501", 3, True, ("hours", 2), 1),
    ("020507", 5, False, ("days", 2), 9),
    ("030602", 6, False, ("days", 5), 6),
    ("040102", 8, False, ("days", 7), 5),
    ("011105", 2, True, ("hours", 1), 3),
    ("011804", 6, False, ("days", 10), 7),
)
ROWS_AT_ONCE = 5_000


@dataclass
class Life:
    """One case as it grows; times are UTC ms."""

    case: dict[str, Any]
    stages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def at_ms(self) -> int:
        """When it entered the stage it is in."""
        return int(self.stages[-1]["at_ms"])

    def enter(self, stage: str, step: str, at_ms: int, role: str = "command") -> None:
        """Enter a stage, unless that is still to come."""
        if at_ms >= NOW_MS:
            raise StillToComeError
        row = {
            "case_id": self.case["id"],
            "n": len(self.stages) + 1,
            "stage": stage,
            "step": step,
            "at_ms": at_ms,
        }
        more = {"who": role, "role": role, "department": self.case["dispatched_to"], "note": "", "reason": ""}
        self.stages.append(row | more)
        self.case |= {"stage": stage, "stage_ms": at_ms, "version": self.case["version"] + 1}

    def note(self, kind: str, at_ms: int, detail: str = "{}") -> None:
        """Note what is no stage."""
        row = {"case_id": self.case["id"], "at_ms": at_ms, "kind": kind, "who": "command", "detail": detail}
        self.events.append(row)


class StillToComeError(Exception):
    """The story ends here for now."""


def lives(count: int, seed: int) -> Iterator[Life]:
    """Yield the lives of so many cases, in the order in which they were collected."""
    random = Random(seed)
    times = sorted(_collected_ms(random) for _ in range(count))
    closed: list[str] = []
    for number, at_ms in enumerate(times, 1):
        life = _collected(random, number, at_ms, closed)
        with suppress(StillToComeError):
            _live(random, life)
        if life.case["closed_ms"] and life.case["stage"] != "voided":
            closed.append(life.case["id"])
        yield life


def fill(state: Database, count: int, seed: int) -> None:
    """Write them; as many rows a transaction as a centre writes in some minutes."""
    every = lives(count, seed)
    while some := list(islice(every, ROWS_AT_ONCE)):
        state.write_now(partial(write, some=some))


def write(connection: Connection, some: Sequence[Life]) -> None:
    """Write these lives."""
    connection.execute(insert(cases), [life.case for life in some])
    connection.execute(insert(case_stages), [row for life in some for row in life.stages])
    if events := [row for life in some for row in life.events]:
        connection.execute(insert(case_events), events)


def _collected_ms(random: Random) -> int:
    """More by day than by night, more in a summer's storms."""
    day = random.randrange((UNTIL_MS - FROM_MS) // DAY_MS)
    if random.random() < 0.15:
        day = random.randrange(160, 240)
    hour = random.triangular(0, 24, 10) if random.random() < 0.8 else random.uniform(0, 24)
    return FROM_MS + day * DAY_MS + min(DAY_MS - 1, round(hour * HOUR_MS))


def _collected(random: Random, number: int, at_ms: int, closed: list[str]) -> Life:
    [(code, _, urgent, limit, usual)] = random.choices(CLASSES, [each[1] for each in CLASSES])
    street = random.choice(STREETS) if random.random() < 0.97 else ""
    department = DEPARTMENTS[usual] if random.random() < 0.9 else random.choice(DEPARTMENTS)
    case = {
        "id": f"{number:032x}",
        "number": f"city-{number:06}",
        "stage": "collected",
        "problem_key": f"part/{number}/{code}",
        "problem": f"p{code}",
        "class_code": code,
        "title_en": code,
        "title_zh": code,
        "gateway": f"gw-{number % 500}",
        "device": "d",
        "part": f"{street[:6] or '500101'}0101{number % 1_000_000:06}",
        "part_name": "井盖",
        "lon": 106.5,
        "lat": 29.5,
        "grid": f"{street}001001"[:15] if street else "",
        "in_charge": "城管局",
        "owner": department,
        "maintainer": department,
        "description": "",
        "opened_ms": at_ms,
        "filed_ms": None,
        "platform_number": "",
        "deadline_ms": due_ms(at_ms, *limit),
        "urgent": urgent,
        "area": street[:6],
        "street": street,
        "dispatched_to": "",
        "stage_ms": at_ms,
        "closed_ms": None,
        "closed_how": "",
        "repeat_of": random.choice(closed[-5_000:]) if closed and random.random() < 0.05 else "",
        "rework_count": 0,
        "redispatch_count": 0,
        "extension_count": 0,
        "merged_into": "",
        "version": 1,
    }
    life = Life(case)
    life.enter("collected", "open", at_ms, "sensor")
    return life


def _live(random: Random, life: Life) -> None:
    """Let a case go its way to the end, or as far as it has come."""
    case, fate = life.case, random.random()
    if fate < 0.02:
        return _void(random, life, 6 * HOUR_MS)  # before it is filed
    if fate < 0.03:  # the sensor saw that it is over before anybody filed it
        life.enter("reported", "report", life.at_ms + _spread(random, HOUR_MS), "sensor")
        if random.random() < 0.5:
            life.note("accepted", life.at_ms + 1000)
            case["filed_ms"] = life.at_ms + 1000
        return _verify(random, life)
    if fate < 0.035:
        return None  # the platform never took it
    life.enter("filed", "file", life.at_ms + _spread(random, HOUR_MS // 4), "platform")
    case["filed_ms"] = life.at_ms
    if random.random() < 0.015:
        return _void(random, life, 12 * HOUR_MS)
    case["dispatched_to"] = case["maintainer"]
    life.enter("dispatched", "dispatch", life.at_ms + _spread(random, HOUR_MS // 2), "centre")
    if random.random() < 0.05:
        case["dispatched_to"] = random.choice(DEPARTMENTS)
        case["redispatch_count"] += 1
        life.enter("dispatched", "redispatch", life.at_ms + _spread(random, 3 * HOUR_MS))
        life.note("redispatched", life.at_ms)
    return _work(random, life)


def _work(random: Random, life: Life) -> None:
    case = life.case
    patience_ms = max(HOUR_MS // 2, case["deadline_ms"] - life.at_ms)
    if random.random() < 0.85:
        life.enter("in_hand", "take_in_hand", life.at_ms + _spread(random, patience_ms // 12), "technician")
    if random.random() < 0.07:
        _extend(random, life, patience_ms)
    if random.random() < 0.004:
        return  # forgotten
    late = random.random() < (0.03 if case["urgent"] else 0.12)
    took_ms = round(patience_ms * (random.uniform(0.9, 3) if late else random.uniform(0.02, 0.5)))
    life.enter("reported", "report", life.at_ms + took_ms, random.choice(("technician", "sensor")))
    if random.random() < 0.02:  # the sensor's return to normal did not last
        before = next(row["stage"] for row in reversed(life.stages) if row["stage"] != "reported")
        life.enter(before, "relapse", life.at_ms + _spread(random, HOUR_MS), "sensor")
        life.enter("reported", "report", life.at_ms + _spread(random, 4 * HOUR_MS), "technician")
    _verify(random, life)


def _extend(random: Random, life: Life, patience_ms: int) -> None:
    case, at_ms = life.case, life.at_ms + patience_ms // 3
    if at_ms >= NOW_MS:
        return
    life.note("extension_asked", at_ms)
    if random.random() < 0.2:
        life.note("extension_refused", at_ms + HOUR_MS // 6)
        return
    for _ in range(2 if random.random() < 0.1 else 1):
        case["deadline_ms"] += random.choice((1, 2, 3)) * DAY_MS
        case["extension_count"] += 1
        life.note("extended", at_ms + HOUR_MS // 6)


def _verify(random: Random, life: Life) -> None:
    case = life.case
    patience_ms = case["deadline_ms"] - life.stages[0]["at_ms"]
    for _ in range(3):
        if random.random() >= 0.06:
            break
        case["rework_count"] += 1
        life.enter("dispatched", "return_for_rework", life.at_ms + _spread(random, 2 * HOUR_MS))
        life.enter("reported", "report", life.at_ms + _spread(random, 8 * HOUR_MS), "technician")
    life.enter("verified", "verify", life.at_ms + _spread(random, max(HOUR_MS // 6, patience_ms // 12)))
    case |= {"closed_ms": life.at_ms, "closed_how": "person"}
    if random.random() < 0.6:
        life.enter("evaluated", "evaluate", life.at_ms + _spread(random, DAY_MS))
    if random.random() < 0.03:  # it was not done: the sensor brings it back
        at_ms = life.at_ms + _spread(random, DAY_MS)
        life.enter("dispatched", "rework", at_ms, "sensor")
        case |= {"closed_ms": None, "closed_how": "", "deadline_ms": at_ms + 2 * DAY_MS}
        case["rework_count"] += 1
        life.enter("reported", "report", life.at_ms + _spread(random, DAY_MS), "technician")
        life.enter("verified", "verify", life.at_ms + _spread(random, 2 * HOUR_MS))
        case |= {"closed_ms": life.at_ms, "closed_how": "person"}


def _void(random: Random, life: Life, within_ms: int) -> None:
    merged = random.random() < 0.4
    life.enter("voided", "merge" if merged else "void", life.at_ms + _spread(random, within_ms))
    life.case |= {"closed_ms": life.at_ms, "closed_how": "merged" if merged else "voided"}


def _spread(random: Random, typical_ms: int) -> int:
    """Return a time that is mostly about so long, and sometimes very much longer."""
    return 1 + round(typical_ms * random.lognormvariate(0, 0.8))


def due_ms(at_ms: int, kind: str, amount: int) -> int:
    """Return the deadline: hours on the clock, or the end of the working day after so many."""
    if kind == "hours":
        return at_ms + amount * HOUR_MS
    day = (datetime.fromtimestamp(at_ms / 1000, UTC) + OFFSET).date()
    for _ in range(amount):
        day = _next_workday(day)
    return round((datetime(day.year, day.month, day.day, 18, tzinfo=UTC) - OFFSET).timestamp() * 1000)


def _next_workday(day: date) -> date:
    day += timedelta(days=1)
    while not chinese_calendar.is_workday(day):
        day += timedelta(days=1)
    return day
