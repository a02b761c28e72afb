"""The figures again, by the words of the formulas and nothing else: plain Python over every raw row.

It shares no code with ``collector.evaluation`` and reads none of its tables; what it says is what the
centre's interface must say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, text

Row = Mapping[Any, Any]
GROUPS = {"department": None, "street": "street", "district": "area", "class": "class_code"}


class Case:
    """A case as its raw rows tell it."""

    def __init__(self, row: Row, stages: Sequence[Row], events: Sequence[Row]) -> None:
        """``stages`` in the order of their numbers."""
        self.row, self.stages, self.events = row, stages, events

    @cached_property
    def department(self) -> str:
        """Whom it was dispatched to last."""
        said = ""
        for stage in self.stages:
            said = stage["department"] or said
        return said

    @cached_property
    def is_filed(self) -> bool:
        """Whether the platform or the desk filed it, in its turn or late."""
        return any(stage["stage"] == "filed" for stage in self.stages) or any(
            event["kind"] == "accepted" for event in self.events
        )

    @cached_property
    def is_void(self) -> bool:
        """Whether it was none, or another's."""
        return bool(self.stages[-1]["stage"] == "voided")

    @cached_property
    def closing_ms(self) -> int | None:
        """When it was last closed; None where it is open or void."""
        found = None
        for stage in self.stages:
            if stage["stage"] == "verified":
                found = stage["at_ms"]
            elif stage["stage"] != "evaluated":
                found = None
        return found

    @cached_property
    def is_extended(self) -> bool:
        """Whether an extension was granted."""
        return any(event["kind"] == "extended" for event in self.events)

    @cached_property
    def is_reworked(self) -> bool:
        """Whether it was brought back."""
        return any(stage["step"] in {"return_for_rework", "rework"} for stage in self.stages)

    @cached_property
    def spent_ms(self) -> dict[str, int]:
        """How long it was in each stage, but for one in which it is for the first time still."""
        found: defaultdict[str, int] = defaultdict(int)
        for number in range(len(self.stages) - 1):
            found[self.stages[number]["stage"]] += (
                self.stages[number + 1]["at_ms"] - self.stages[number]["at_ms"]
            )
        return dict(found)


class ByWords:
    """All cases, and how each figure is found among them."""

    def __init__(
        self, cases: Iterable[Row], stages: Iterable[Row], events: Iterable[Row], *, zone_h: int
    ) -> None:
        """``zone_h``: how far local time is ahead."""
        of_stages, of_events = defaultdict(list), defaultdict(list)
        for row in stages:
            of_stages[row["case_id"]].append(row)
        for row in events:
            of_events[row["case_id"]].append(row)
        for rows in of_stages.values():
            rows.sort(key=lambda row: row["n"])
        self._zone = timedelta(hours=zone_h)
        self._days: dict[int, date] = {}
        self.cases = [Case(row, of_stages[row["id"]], of_events[row["id"]]) for row in cases]

    @classmethod
    def of(cls, connection: Connection, zone_h: int) -> "ByWords":
        """Read a state database."""
        told = [connection.execute(text(f"SELECT {what}")).mappings().all() for what in _READ]
        return cls(*told, zone_h=zone_h)

    def figures(
        self,
        by: str,
        first: date,
        end: date,
        today: date,
        version: str,
        left_out: Sequence[tuple[int, int, str, str]] = (),
    ) -> dict[str, dict[str, float | int | None]]:
        """Return the figures of each key; ``left_out``: from and until in ms, area and class or empty."""
        keyed: defaultdict[str, list[Case]] = defaultdict(list)
        for case in self.cases:
            column = GROUPS[by]
            keyed[case.row[column] if column else case.department].append(case)
        told = {key: self._of(cases, first, end, today, version, left_out) for key, cases in keyed.items()}
        return {key: figures for key, figures in told.items() if any(figures.values())}

    def _day(self, at_ms: int) -> date:
        if at_ms not in self._days:
            self._days[at_ms] = self._day_of(at_ms)
        return self._days[at_ms]

    def _day_of(self, at_ms: int) -> date:
        return (datetime.fromtimestamp(at_ms // 1000, UTC) + self._zone).date()

    def _of(
        self,
        cases: list[Case],
        first: date,
        end: date,
        today: date,
        version: str,
        left_out: Sequence[tuple[int, int, str, str]],
    ) -> dict[str, float | int | None]:
        def within(at_ms: int | None) -> bool:
            return at_ms is not None and first <= self._day(at_ms) < end

        def out(case: Case, at_ms: int) -> bool:
            return any(
                begin <= at_ms < until
                and area in {"", case.row["area"], case.row["street"]}
                and code in {"", case.row["class_code"]}
                for begin, until, area, code in left_out
            )

        all_reported = [case for case in cases if within(case.stages[0]["at_ms"])]
        reported = [case for case in all_reported if not out(case, case.stages[0]["at_ms"])]
        filed = [case for case in reported if case.is_filed]
        all_due = [c for c in cases if within(c.row["deadline_ms"]) and c.is_filed and not c.is_void]
        to_judge = [case for case in all_due if not out(case, case.row["deadline_ms"])]
        due = [case for case in to_judge if self._day(case.row["deadline_ms"]) < today]
        judged = [case for case in due if not case.is_extended] if version == "1" else due
        closed = [case for case in judged if case.closing_ms is not None]
        in_time = [case for case in closed if (case.closing_ms or 0) <= case.row["deadline_ms"]]
        urgent = [case for case in due if case.row["urgent"]]
        ended = [c for c in cases if within(c.closing_ms) and not out(c, c.closing_ms or 0)]
        told: dict[str, float | int | None] = {
            "reported": len(reported),
            "filed": len(filed),
            "repeated": sum(1 for case in filed if case.row["repeat_of"]),
            "voided": sum(1 for case in reported if case.is_void),
            "due": len(due),
            "not_due_yet": len(to_judge) - len(due),
            "extended": sum(1 for case in due if case.is_extended),
            "reworked": sum(1 for case in due if case.is_reworked),
            "reported_left_out": len(all_reported) - len(reported),
            "due_left_out": len(all_due) - len(to_judge),
            "ended": len(ended),
            "filing": _rate(len(filed), len(reported)),
            "closing": _rate(len(closed), len(judged)),
            "closing_in_time": _rate(len(in_time), len(judged)),
            "urgent_closing": _rate(sum(1 for c in urgent if c.closing_ms is not None), len(urgent)),
            "rework": _rate(sum(1 for case in due if case.is_reworked), len(due)),
            "repetition": _rate(sum(1 for case in filed if case.row["repeat_of"]), len(filed)),
        }
        for stage, name in _TIMES.items():
            told[name] = _mean([spent for case in ended if (spent := case.spent_ms.get(stage)) is not None])
        whole = [(case.closing_ms or 0) - case.stages[0]["at_ms"] for case in ended]
        return told | {"whole_s": _mean(whole)}


_READ = (
    "id, area, street, class_code, urgent, repeat_of, deadline_ms FROM cases",
    "case_id, n, stage, step, at_ms, department FROM case_stages",
    "case_id, kind FROM case_events",
)
_TIMES = {
    "collected": "collected_s",
    "filed": "filing_s",
    "dispatched": "dispatched_s",
    "in_hand": "in_hand_s",
    "reported": "verifying_s",
}


def _rate(above: int, below: int) -> float | None:
    return above / below if below else None


def _mean(times_ms: list[int]) -> float | None:
    return sum(times_ms) / len(times_ms) / 1000 if times_ms else None
