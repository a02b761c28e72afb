"""Why a rule is in its state now, as facts; whoever shows them words them."""

from dataclasses import dataclass
from typing import NamedTuple

from contract.samples import Value


class Fact(NamedTuple):
    """One thing that decides; ``kind`` says what sort of fact it is, ``since_s`` how many seconds it is so.

    Of alarms: value (of ``name``, held against ``limit``), unknown (there is no good value of ``name``),
    delay (``value`` seconds of ``limit``; ``name`` on or off), enabled, disabled, enabling_unknown (by
    ``name``), latched, maintenance (until ``value``, UTC ms, by ``text``), instance (``text`` is its state).

    Of controls: start, stop, join, leave (``value`` of ``name`` against ``limit``; ``text`` is > or <, over
    how many seconds it is a mean, for how many it has to hold), inhibit (``text`` is its reason), lasting,
    holder, output (reads ``value``, wanted ``limit``), run, rest, budget, without_effect, alarm. Of an output
    that has no control any more also left (``name`` had it).
    """

    kind: str
    name: str
    value: Value = None
    limit: Value = None
    since_s: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Why:
    """The state of an alarm, a control, or an output that has no control any more, and what decides it.

    ``kind`` is "alarm", "control" or "output". An alarm is active, latched (over, and waits for a reset),
    pending (it shows, not long enough yet), normal, disabled or unknown (nothing can be told). Such an output
    is locked, or left (by former settings, and not seen off since). ``since_s``: it is so for so many
    seconds, None where that began before the start.
    """

    name: str
    kind: str
    state: str
    since_s: float | None
    facts: tuple[Fact, ...]
