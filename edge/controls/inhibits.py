"""What keeps an output off: limits of points, switches, and inputs that are lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.controls.settings import Inhibit
from edge.rules.window import Window
from edge.settings import Ref, ref


@dataclass(frozen=True, slots=True)
class Inhibited:
    """Why an output must stay off; ``told`` has the value too. Not ``known``: for want of a good value."""

    reason: str
    told: str
    known: bool = True


class Inhibits:
    """The declared inhibits of a control."""

    def __init__(self, declared: Sequence[Inhibit], stale_s: float) -> None:
        """Begin without a value of any: unknown inhibits."""
        self.declared = declared
        self.windows = [Window(0, stale_s) for _ in declared]
        self._held_s = [float("-inf")] * len(declared)
        self._lasting = [index for index, inhibit in enumerate(declared) if inhibit.lasts_s]

    def inputs(self) -> list[tuple[Ref, Window]]:
        """Return the points with the windows that want their values."""
        return [
            (ref(inhibit.point), window) for inhibit, window in zip(self.declared, self.windows, strict=True)
        ]

    def see(self, now_s: float) -> None:
        """Remember what inhibits beyond its own time; for when nobody asks why the output must stay off."""
        for index in self._lasting:
            value = self.windows[index].value(now_s)
            if value is not None and holds(self.declared[index], value):
                self._held_s[index] = now_s

    def now(self, now_s: float) -> Inhibited | None:
        """Return why the output must stay off now, what is known before what is not; or None."""
        self.see(now_s)  # of each, whichever is told
        unknown: Inhibited | None = None
        for index, (inhibit, window) in enumerate(zip(self.declared, self.windows, strict=True)):
            value = window.value(now_s)
            if value is not None and holds(inhibit, value):
                self._held_s[index] = now_s
                return Inhibited(inhibit.reason, f"{inhibit.reason}: {inhibit.point} {spelt(value)}")
            if inhibit.lasts_s and now_s - self._held_s[index] < inhibit.lasts_s:
                return Inhibited(
                    inhibit.reason,
                    f"{inhibit.reason}: {inhibit.point} held less than {inhibit.lasts_s:g} s ago",
                )
            if value is None:
                told = f"no good value of {inhibit.point} ({inhibit.reason})"
                unknown = unknown or Inhibited(told, told, known=False)
        return unknown


def holds(inhibit: Inhibit, value: float) -> bool:
    """Say whether a value inhibits."""
    if inhibit.equals is not None:
        return value == inhibit.equals
    low, high = inhibit.at_or_below, inhibit.at_or_above
    return (low is not None and value <= low) or (high is not None and value >= high)


def spelt(value: float) -> str:
    """Return a value for people."""
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:.4g}"
