"""Whether a run has an effect: by a point that shows it soon, or at its longest by what it is to change."""

from contract.events import ControlAction
from edge.clock import Moment
from edge.controls.output import Output
from edge.controls.settings import Control, Proves
from edge.controls.states import Run
from edge.rules.watched import Watched
from edge.rules.window import Window
from edge.settings import Ref, ref


class Proving:
    """What a control's runs have shown, and how many in a row have shown nothing."""

    def __init__(self, control: Control) -> None:
        """Nothing has run yet."""
        self._control = control
        self.window = Window(0, control.stale_s) if control.proves else None
        self.runs_without = 0

    def inputs(self) -> list[tuple[Ref, Window]]:
        """Return the point that shows the effect, with the window that wants its values."""
        proves = self._control.proves
        return [(ref(proves.point), self.window)] if proves and self.window else []

    @property
    def locked_out(self) -> bool:
        """Say whether runs without effect have locked the control out."""
        limit = self._control.runs_without_max
        return limit is not None and self.runs_without >= limit

    def begins(self, run: Run, start: Watched | None, now: Moment) -> None:
        """Note what is measured when a run begins."""
        run.value_at_start = start.window.value(now.s) if start else None
        run.proving_at_start = self.window.value(now.s) if self.window else None

    def look(self, output: Output, run: Run, now: Moment) -> tuple[ControlAction, str] | None:
        """Return what has come of a run, once: proved, or no effect. Bad data judge nothing."""
        proves = self._control.proves
        if proves is None or self.window is None or run.judged:
            return None
        value = self.window.value(now.s)
        told = f"{proves.point} {'unknown' if value is None else f'{value:.4g}'}"
        if (
            value is not None
            and output.actual
            and self.window.newest_s > run.since_s
            and _shown(proves, run, value)
        ):
            run.judged, self.runs_without = True, 0
            return ControlAction.PROVED, f"{told}, {now.s - run.since_s:.0f} s after the start"
        if now.s - run.since_s < proves.within_s:
            return None
        run.judged = True
        relative = proves.above is None and proves.below is None
        if value is None or (relative and run.proving_at_start is None) or not output.actual:
            return None
        self.runs_without += 1
        before = "" if run.proving_at_start is None else f", {run.proving_at_start:.4g} at the start"
        return ControlAction.NO_EFFECT, f"{told}{before}: no effect within {proves.within_s:g} s"

    def at_longest(self, run: Run, start: Watched | None, now: Moment) -> bool:
        """Judge a run of full length by its own cause; say whether it was without effect."""
        effect = self._control.effect
        after = start.window.value(now.s) if start else None
        if effect is None or start is None or run.value_at_start is None or after is None:
            return False
        falls = start.condition.above is not None
        change = run.value_at_start - after if falls else after - run.value_at_start
        if change >= abs(run.value_at_start) * effect.falls_by_percent / 100:
            self.runs_without = 0
            return False
        self.runs_without += 1
        return True


def _shown(proves: Proves, run: Run, value: float) -> bool:
    if proves.above is not None:
        return value > proves.above
    if proves.below is not None:
        return value < proves.below
    before = run.proving_at_start
    if before is None:
        return False
    for change, wanted, percent in (
        (value - before, proves.rises_by, proves.rises_by_percent),
        (before - value, proves.falls_by, proves.falls_by_percent),
    ):
        if wanted is not None:
            return change >= wanted
        if percent is not None:
            return change >= abs(before) * percent / 100
    return False
