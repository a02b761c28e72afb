"""What rules would have done with recorded samples, on the recording's own time. Pure.

Outputs of controls are taken to follow at once, and their own timers to work; what the recording says of them
is of what happened then, and is passed over. Where a report policy of the settings thins what is sent, a
recorded value stands until the next.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.events import AlarmCleared, AlarmRaised, ControlChanged
from contract.samples import Sample, Value
from edge.clock import Moment
from edge.rules.effects import Emit, RuleEffect, Switch
from edge.rules.engine import Engine
from edge.rules.held import Held
from edge.settings import Ref, Settings, ref

CONTROLS_EVERY_S = 0.5
"""As the gateway asks them; in a silence of more than LONG_S, each minute."""
LONG_S, RARELY_S = 3600.0, 60.0
OUTPUTS_EVERY_S = 5.0


class Happened(NamedTuple):
    """What a rule would have done: raised, cleared, started, stopped, inhibited and so on."""

    time_ms: int
    rule: str
    what: str
    device: str
    point: str
    condition: str = ""
    value: Value = None
    reason: str = ""


class BackInTimeError(ValueError):
    """A recording is to be in the order of its times."""


class Replay:
    """An engine that is fed a recording, sample by sample."""

    def __init__(self, settings: Settings) -> None:
        """Begin with all rules in their normal state and all outputs off."""
        numbers = itertools.count(1)
        self._engine = Engine(settings, lambda: f"{next(numbers):032x}")
        self._outputs = {ref(control.output): _Output() for control in settings.controls}
        self._known = self._engine.targets() - self._outputs.keys()
        self._held = Held(settings)
        self._first_ms: int | None = None
        self._now_ms = 0
        self._fed_ms = -(10**9)
        self.samples = self.passed_over = 0
        """How many were of points that a rule looks at, and how many were not."""

    @property
    def means(self) -> dict[Ref, float]:
        """Points that rules look at and that are sent as means only, over so many seconds."""
        return self._held.means(sorted(self._known))

    def take(self, sample: Sample) -> list[Happened]:
        """Take the next sample; return what happens until then and by it.

        BackInTimeError where it is earlier than the one before it.
        """
        if Ref(sample.device, sample.point) not in self._known:
            self.passed_over += 1
            return []
        if self._first_ms is None:
            self._first_ms = self._now_ms = sample.time_ms
        if sample.time_ms < self._now_ms:
            raise BackInTimeError(
                f"{self._now_ms - sample.time_ms} ms earlier than the row before it; sort the rows by time_ms"
            )
        self.samples += 1
        found = list(self._until(sample.time_ms))
        self._held.take(sample)
        return [*found, *self._do(self._engine.observe([*self._read_back(), sample], self._moment()))]

    def _until(self, time_ms: int) -> Iterator[Happened]:
        """Let time pass up to a sample: what is due before it is done at its time, the rest with it."""
        while (next_ms := self._next_ms(time_ms)) < time_ms:
            self._now_ms = next_ms
            moment = self._moment()
            if told := [*self._read_back(), *self._held.due(self._now_ms)]:
                yield from self._do(self._engine.observe(told, moment))
            yield from self._do(self._engine.tick(moment))
        self._now_ms = time_ms

    def _next_ms(self, time_ms: int) -> int:
        """Return when something is to be looked at next, ``time_ms`` at the latest."""
        next_s = self._engine.due_s
        if self._outputs:
            every_s = CONTROLS_EVERY_S if time_ms - self._now_ms < LONG_S * 1000 else RARELY_S
            next_s = min(next_s, self._moment().s + every_s)
        next_ms = min((self._first_ms or 0) + next_s * 1000, self._held.due_ms, time_ms)
        return math.ceil(min(max(next_ms, self._now_ms + 1), time_ms))

    def _read_back(self) -> list[Sample]:
        """Return what the outputs read, when one has changed, and now and then."""
        changed = [output.expired(self._now_ms) for output in self._outputs.values()]
        changed += [output.take_news() for output in self._outputs.values()]
        if not any(changed) and self._now_ms - self._fed_ms < OUTPUTS_EVERY_S * 1000:
            return []
        self._fed_ms = self._now_ms
        return [Sample(self._now_ms, *target, output.on) for target, output in self._outputs.items()]

    def _moment(self) -> Moment:
        return Moment((self._now_ms - (self._first_ms or 0)) * 1_000_000, self._now_ms)

    def _do(self, effects: Iterable[RuleEffect]) -> Iterator[Happened]:
        for effect in effects:
            match effect:
                case Emit(AlarmRaised() as event):
                    yield Happened(
                        event.time_ms, event.rule, "raised", event.device, event.point, event.condition,
                        event.value, event.message,
                    )  # fmt: skip
                case Emit(AlarmCleared() as event):
                    yield Happened(
                        event.time_ms, event.rule, "cleared", event.device, event.point, "", event.value,
                        event.reason,
                    )  # fmt: skip
                case Emit(ControlChanged() as event):
                    yield Happened(
                        event.time_ms, event.control, str(event.action), event.device, event.point,
                        reason=event.reason,
                    )  # fmt: skip
                case Switch(output, on, self_off_s):
                    until_ms = self._now_ms + round(self_off_s * 1000) if self_off_s and on else None
                    self._outputs[output].switch(on=on, until_ms=until_ms)
                case _:
                    pass


@dataclass
class _Output:
    """An output that does as it is told."""

    on: bool = False
    until_ms: int | None = None
    news: bool = True

    def switch(self, *, on: bool, until_ms: int | None) -> None:
        self.news = self.news or on != self.on
        self.on, self.until_ms = on, until_ms

    def expired(self, now_ms: int) -> bool:
        if not self.on or self.until_ms is None or now_ms < self.until_ms:
            return False
        self.on, self.until_ms = False, None
        return True

    def take_news(self) -> bool:
        news, self.news = self.news, False
        return news


@dataclass
class Summary:
    """What happened, counted by rule; the first ``first_max`` in full."""

    first_max: int
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    first: list[Happened] = field(default_factory=list)
    more: int = 0

    def take(self, happened: Iterable[Happened]) -> None:
        """Count it."""
        for each in happened:
            self.counts.setdefault(each.rule, Counter())[each.what] += 1
            if len(self.first) < self.first_max:
                self.first.append(each)
            else:
                self.more += 1
