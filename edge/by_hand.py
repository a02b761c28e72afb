"""What people ask of outputs, alarms and devices: at the cabinet, or as a command of the centre.

Names are looked up here: whoever mistypes one is told the nearest.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Protocol

from contract.commands import Command, CommandKind
from contract.events import Holder
from edge.clock import Clock, Moment
from edge.rules.effects import RuleEffect
from edge.rules.why import Why
from edge.settings import Settings

NEAREST_MAX = 3
HOLD_S_MAX = 7 * 86_400.0
"""A manual hold always ends; for longer there is the maintenance lock."""

Effects = list[RuleEffect]


class Rules(Protocol):
    """What is asked of the engine; each returns "" or why it is refused, and what follows."""

    def owners(self) -> dict[str, str]:
        """Return every output that may be asked for with its control; "" where it has none any more."""

    def locks(self) -> Mapping[str, tuple[str, int]]:
        """Return what is locked: output, by whom, and when (UTC ms)."""

    def lock(self, output: str, who: str, now: Moment) -> tuple[str, Effects]:
        """Keep an output as it is, whatever wants otherwise."""

    def unlock(self, output: str, who: str, now: Moment) -> tuple[str, Effects]:
        """End that."""

    def manual(
        self,
        output: str,
        on: bool,
        until_ms: int,
        source: Holder,
        who: str,
        now: Moment,
        command_id: str = "",
    ) -> tuple[str, Effects]:
        """Hold an output on or off."""

    def release(
        self, output: str, source: Holder, who: str, now: Moment, command_id: str = ""
    ) -> tuple[str, Effects]:
        """End that."""

    def maintain(self, device: str, until_ms: int | None, who: str, now: Moment) -> Effects:
        """Mark planned work on a device; None ends it."""

    def set_periods(self, periods: Mapping[str, tuple[int, int]], now: Moment) -> Effects:
        """Let these event periods hold, each from when until when."""

    def reset(self, alarm: str, who: str, now: Moment) -> tuple[str, Effects]:
        """Let a latched alarm return to normal."""

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why an alarm or control is in its state; None where there is none of that name."""


class Refusal(Exception):  # noqa: N818 - no error of ours: what is asked for cannot be
    """It is not done; the text says why and what to do."""


class ByHand:
    """Asks the rules, and has done what they say."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        clock: Clock,
        do: Callable[[Iterable[RuleEffect]], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``do`` executes effects; while it is ``stopping`` nothing new is begun."""
        self._rules, self._clock, self._do, self._stopping = rules, clock, do, stopping
        self._controls = [control.name for control in settings.controls]
        self._alarms = [alarm.name for alarm in settings.alarms]
        self._devices = [device.name for device in settings.devices]

    def lock(self, name: str, who: str) -> list[str]:
        """Lock an output, or those of a control; return all that are locked now; Refusal."""
        return self._each(name, lambda output: self._rules.lock(output, who, self._now()))

    def unlock(self, name: str, who: str) -> list[str]:
        """Unlock an output, or those of a control; return all that are not locked now; Refusal.

        Where several people have locked them, each output has to be named: nobody's lock ends by the way.
        """
        locks = self._rules.locks()
        lockers = {output: locks[output][0] for output in self._outputs(name) if output in locks}
        if len(set(lockers.values())) > 1:
            told = ", ".join(f"{output} by {whose}" for output, whose in lockers.items())
            raise Refusal(f"{name} has locks of several people ({told}); write the output")
        return self._each(name, lambda output: self._rules.unlock(output, who, self._now()))

    def manual(self, name: str, who: str, *, on: bool, for_s: float) -> tuple[str, int]:
        """Hold an output for a time; return which, and until when, in UTC ms; Refusal."""
        now = self._now()
        if not 0 < for_s <= HOLD_S_MAX:
            raise Refusal(
                f"a manual hold lasts more than 0 s and {HOLD_S_MAX:.0f} s at most, not {for_s:g} s; "
                "for work that takes longer, lock the output"
            )
        output, until_ms = self._one(name), now.wall_ms + round(for_s * 1000)
        self._done(*self._rules.manual(output, on, until_ms, Holder.LOCAL, who, now))
        return output, until_ms

    def release(self, name: str, who: str) -> list[str]:
        """Let go of an output, or of those of a control; return all that nobody holds now; Refusal."""
        return self._each(name, lambda output: self._rules.release(output, Holder.LOCAL, who, self._now()))

    def maintain(self, device: str, who: str, for_s: float | None) -> int:
        """Mark planned work for a time, None: it is over; return until when, in UTC ms, or 0; Refusal."""
        now = self._now()
        if device not in self._devices:
            raise Refusal(unknown("device", device, self._devices))
        until_ms = None if for_s is None else now.wall_ms + round(for_s * 1000)
        self._done("", self._rules.maintain(device, until_ms, who, now))
        return until_ms or 0

    def reset(self, alarm: str, who: str) -> None:
        """Reset a latched alarm; Refusal."""
        if alarm.partition("/")[0] not in self._alarms:
            raise Refusal(unknown("alarm", alarm, self._alarms))
        self._done(*self._rules.reset(alarm, who, self._now()))

    def periods(self, periods: Mapping[str, tuple[int, int]]) -> None:
        """Let these event periods hold, by name: from when until when, UTC ms."""
        self._done("", self._rules.set_periods(periods, self._now()))

    def explain(self, name: str) -> Why:
        """Say why an alarm or control, by its name or its output's, is in its state; Refusal."""
        if (why := self._rules.explain(name, self._now())) is None:
            known = [*self._alarms, *self._controls, *self._rules.owners()]
            raise Refusal(unknown("alarm or control", name, known))
        return why

    def about(self, outputs: Iterable[str]) -> list[Why]:
        """Return how the controls of these outputs are, each once; nothing of an output that is nobody's."""
        now = self._now()
        told = {why.name: why for output in outputs if (why := self._rules.explain(output, now))}
        return list(told.values())

    def state(self) -> list[Why]:
        """Return how all alarms and controls are, in the order of the settings; then outputs without any."""
        now = self._now()
        left = [output for output, control in self._rules.owners().items() if not control]
        told = [self._rules.explain(name, now) for name in (*self._alarms, *self._controls, *left)]
        return [why for why in told if why is not None]

    def command(self, command: Command) -> str:
        """Begin a command of the centre; return "" or why it is refused."""
        try:
            match command.kind:
                case CommandKind.RESET_ALARM:
                    self.reset(command.target, command.who)
                case CommandKind.RELEASE:
                    output, now = self._one(command.target), self._now()
                    self._done(*self._rules.release(output, Holder.CENTRE, command.who, now, command.id))
                case CommandKind.SWITCH:
                    output, now = self._one(command.target), self._now()
                    on, until_ms = bool(command.value), command.until_ms or 0
                    self._done(
                        *self._rules.manual(output, on, until_ms, Holder.CENTRE, command.who, now, command.id)
                    )
        except Refusal as refused:
            return str(refused)
        return ""

    def _done(self, refused: str, effects: Effects) -> None:
        self._do(effects)  # a refusal is on record, too
        if refused:
            raise Refusal(refused)

    def _each(self, name: str, ask: Callable[[str], tuple[str, Effects]]) -> list[str]:
        """Ask it of each output that is meant; Refusal where nothing came of any."""
        outputs, refusals = self._outputs(name), []
        for output in outputs:
            refused, effects = ask(output)
            self._do(effects)
            refusals += [refused] if refused else []
        if len(refusals) == len(outputs):
            raise Refusal("; ".join(refusals))
        return outputs

    def _one(self, name: str) -> str:
        """Return the one output that is meant; Refusal where it may be either of two."""
        outputs = self._outputs(name)
        if len(outputs) > 1:
            raise Refusal(f"{name} has {len(outputs)} outputs; write {' or '.join(outputs)}")
        return outputs[0]

    def _outputs(self, name: str) -> list[str]:
        """Return the output of that name, or those of the control of that name."""
        if self._stopping():
            raise Refusal("the gateway is stopping")
        owners = self._rules.owners()
        outputs = [name] if name in owners else [each for each, owner in owners.items() if owner == name]
        if not outputs:
            raise Refusal(unknown("output of a control", name, [*owners, *self._controls]))
        return outputs

    def _now(self) -> Moment:
        return self._clock.now()


def unknown(what: str, name: str, known: list[str]) -> str:
    """Say that there is nothing of that name, and what is meant perhaps."""
    same = [each for each in known if each.endswith(f"/{name}")]
    nearest = same or get_close_matches(name, known, NEAREST_MAX, 0.5) or known[:NEAREST_MAX]
    there = f"; write {' or '.join(nearest)}" if nearest else "; the settings name none"
    return f"there is no {what} {name[:80]!r} here{there}"
