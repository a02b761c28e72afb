"""What tests of rules share: an engine of given alarms on a few points, and a feed of values."""

import itertools
from collections.abc import Iterable
from typing import Any

from contract.events import AlarmCleared, AlarmRaised, Event
from contract.samples import ClockState, Quality, Sample, Value
from edge.clock import Moment
from edge.rules.effects import Emit, RuleEffect
from edge.rules.engine import Engine
from edge.settings import Settings

START_MS = 1_800_000_000_000
"""2027-01-15 08:00:00 UTC, a Friday; 16:00 by local time."""
PART = "5001030102000001"


def settings(*alarms: dict[str, Any], **more: Any) -> Settings:
    """Return settings with these alarms; of each only what matters needs to be given."""
    usual = {"points": ["meter/level"], "problem": "trouble", "message": "trouble"}
    return Settings.model_validate(
        {
            "schema": 1,
            "district": "north",
            "gateway": "gw-1",
            "broker": {"host": "127.0.0.1"},
            "lines": [{"kind": "tcp", "name": "line", "host": "127.0.0.1"}],
            "devices": [
                {"name": name, "line": "line", "unit_id": number, "profile": "x", "part": PART}
                for number, name in enumerate(("meter", "other"), 1)
            ],
            "alarms": [
                {**usual, "name": f"rule-{number}", **alarm} for number, alarm in enumerate(alarms, 1)
            ],
            **more,
        }
    )


class Rig:
    """An engine, and what it told: (second, event)."""

    def __init__(self, *alarms: dict[str, Any], **more: Any) -> None:
        """Build it of these alarms."""
        self._settings = settings(*alarms, **more)
        self._numbers = itertools.count(1)
        self.clock = ClockState.SYNCHRONISED
        self.start_ms, self.era = START_MS, 0
        self.told: list[tuple[float, Event]] = []
        self.engine = self._engine()

    def _engine(self) -> Engine:
        return Engine(self._settings, lambda: f"{next(self._numbers):032x}")

    def moment(self, at_s: float) -> Moment:
        """Return the moment so many seconds after the start."""
        return Moment(round(at_s * 1e9), self.start_ms + round(at_s * 1000), self.clock, self.era)

    def see(
        self, at_s: float, value: Value, point: str = "meter/level", quality: Quality | None = None
    ) -> list[Event]:
        """Let it see one sample (None is a failed read); return what it told."""
        quality = quality or (Quality.BAD if value is None else Quality.GOOD)
        device, _, name = point.partition("/")
        now = self.moment(at_s)
        sample = Sample(now.wall_ms, device, name, value, quality, "" if value is not None else "timeout")
        return self.note(at_s, self.engine.observe([sample], now))

    def feed(self, values: Iterable[tuple[float, Value]], point: str = "meter/level") -> list[Event]:
        """Let it see (second, value); return what it told."""
        return [event for at_s, value in values for event in self.see(at_s, value, point)]

    def tick(self, at_s: float) -> list[Event]:
        """Let it see that time passes."""
        return self.note(at_s, self.engine.tick(self.moment(at_s)))

    def note(self, at_s: float, effects: Iterable[RuleEffect]) -> list[Event]:
        """Write down what it told."""
        events = [effect.event for effect in effects if isinstance(effect, Emit)]
        self.told += [(at_s, event) for event in events]
        return events

    def restart(self, at_s: float) -> list[Event]:
        """Begin a new process that remembers."""
        remembered = self.engine.remembered()
        self.engine = self._engine()
        return self.note(at_s, self.engine.recall(remembered, self.moment(at_s)))


def short(told: Iterable[tuple[float, Event]]) -> list[tuple[float, str, str]]:
    """Return (second, raised or cleared, condition or reason) of alarms."""
    found = []
    for at_s, event in told:
        if isinstance(event, AlarmRaised):
            found.append((at_s, "raised", event.condition))
        elif isinstance(event, AlarmCleared):
            found.append((at_s, "cleared", event.reason))
    return found
