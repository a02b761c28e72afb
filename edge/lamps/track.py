"""Lamps that follow one calendar: the timeline that they share, for some nights ahead."""

from bisect import bisect_right
from collections.abc import Sequence

from lighting.commands import Command
from lighting.compiling import Compiler, Fact
from lighting.plan import Place
from lighting.timeline import Gate, Step, Timeline

DAY_MS = 86_400_000


class Track:
    """Where a calendar stands. It is compiled for so many nights, and anew when half of them are over."""

    def __init__(self, calendar: str, place: Place, lamps: Sequence[str], horizon_nights: int) -> None:
        """Nothing is compiled yet."""
        self.calendar, self.place, self.lamps = calendar, place, lamps
        self.command: Command | None = None
        """What its lamps are under, overrides apart; None while nobody can say."""
        self.gates: set[Gate] = set()
        self.next_ms = 0
        """When its next step begins, or it is to be compiled further."""
        self._horizon_ms = horizon_nights * DAY_MS
        self._timeline: Timeline | None = None
        self._starts: list[int] = []
        self._from_ms = self._renew_ms = 0

    def forget(self) -> None:
        """The plan's conditions are others."""
        self._timeline = None

    def step(self, compiler: Compiler, facts: Sequence[Fact], now_ms: int) -> Step:
        """Return the step that holds; what lies between it and the last one is not made up for."""
        timeline = self._timeline
        if timeline is None or not self._from_ms <= now_ms < self._renew_ms:
            timeline = self._compiled(compiler, facts, now_ms)
        index = bisect_right(self._starts, now_ms)
        self.next_ms = min(
            self._renew_ms, self._starts[index] if index < len(self._starts) else now_ms + DAY_MS
        )
        return timeline.steps[index - 1]

    def _compiled(self, compiler: Compiler, facts: Sequence[Fact], now_ms: int) -> Timeline:
        until_ms = now_ms + self._horizon_ms
        timeline = compiler.timeline(self.calendar, self.place, now_ms, until_ms, facts)
        self._timeline, self._from_ms = timeline, now_ms
        self._renew_ms = now_ms + self._horizon_ms // 2
        self._starts = [step.start_ms for step in timeline.steps]
        self.gates = {gate for step in timeline.steps for gate in step.gates}
        return timeline
