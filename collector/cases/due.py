"""When a case is due: by its class as it is edited here, then by the city's table; on its calendar."""

from dataclasses import dataclass

from collector.cases.settings import CaseClass, Limit
from collector.deadlines.calendar import Remark, WorkingCalendar
from collector.deadlines.limits import LimitKind, TimeLimit, due
from collector.deadlines.table import DeadlineTable

ON_THE_CLOCK = {
    LimitKind.WORKING_HOURS: LimitKind.URGENT_HOURS,
    LimitKind.WORKING_DAYS: LimitKind.CALENDAR_DAYS,
}


@dataclass(frozen=True, slots=True)
class CaseDue:
    """By when, by which limit, why by this one (None: the class's own), and what is doubtful about it."""

    at_ms: int
    limit: TimeLimit
    because: Remark | None
    warnings: tuple[Remark, ...]

    @property
    def words(self) -> str:
        """Return the limit as it is kept on a case, as ``4 working_hours``."""
        return f"{self.limit.amount:g} {self.limit.kind}"


@dataclass(frozen=True)
class Deadlines:
    """The city's calendar and its table of limits."""

    calendar: WorkingCalendar
    table: DeadlineTable
    working_days_to_end: bool = False

    def due(self, entry: CaseClass, grid: str, start_ms: int) -> CaseDue:
        """Return when a case of this class and place is due.

        The class's own ``limits`` come first, as people edit them at the running centre; then the table of
        the settings; then the class's one limit. What is urgent is on the clock, whatever its limit counts.
        """
        rules = [each.rule(to_end_of_day=self.working_days_to_end) for each in entry.limits]
        where = (start_ms, self.calendar, entry.code, grid, entry.severity)
        found = DeadlineTable(rules).select(*where) or self.table.select(*where)
        limit = found.limit if found else self._own(entry)
        if entry.urgent and limit.kind in ON_THE_CLOCK:
            limit = TimeLimit(ON_THE_CLOCK[limit.kind], limit.amount)
        ends = due(start_ms, limit, self.calendar)
        return CaseDue(ends.at_ms, limit, found.because if found else None, ends.warnings)

    def _own(self, entry: CaseClass) -> TimeLimit:
        own = entry.limit or Limit(kind="urgent_hours", amount=entry.deadline_h or 1)
        kind = LimitKind(own.kind)
        to_end = self.working_days_to_end and kind is LimitKind.WORKING_DAYS and not own.amount % 1
        return TimeLimit(kind, own.amount, to_end)
