"""One lamp as the gateway knows it: what it is under, how far the command has come, what it reads."""

from enum import IntEnum

from contract.samples import Value
from edge.lamps.fixtures import Fixture
from edge.lamps.settings import Lighting
from edge.lamps.verdicts import Seen, matches, power_range
from edge.settings import Ref
from lighting.commands import Command


class Phase(IntEnum):
    """How far a command has come."""

    WAITING = 0  # not heard yet, unpowered, or held by hand
    QUEUED = 1
    SENT = 2  # the line has it
    UNPROVED = 3  # the line is done with it; it was not read back yet
    PROVED = 4
    FAILED = 5  # after all retries


class LampState:
    """See the module; whoever delivers and judges changes it."""

    __slots__ = (
        "attempts",
        "command",
        "error",
        "fixture",
        "heard",
        "held",
        "level",
        "phase",
        "powered",
        "sent_s",
        "silent",
    )

    def __init__(self, fixture: Fixture) -> None:
        """Nothing is due and nothing known."""
        self.fixture = fixture
        self.command: Command | None = None
        self.level: int | None = None
        """What is due; None while nobody can say."""
        self.phase = Phase.WAITING
        self.attempts = 0
        self.sent_s = float("-inf")
        """When the line was done with the last command; monotonic."""
        self.heard = self.powered = False
        self.held = ""
        """Why no command is sent, though it is powered: by whom it is held."""
        self.error = ""
        """Of the last reading of its output."""
        self.silent = False
        """Whether the reading before had one."""

    @property
    def reachable(self) -> bool:
        """Say whether commands make sense."""
        return self.powered and not self.held


class Known:
    """What all points read last: None where that is no good."""

    def __init__(self, limits: Lighting) -> None:
        """Nothing is known."""
        self.values: dict[Ref, Value] = {}
        self.held: dict[Ref, bool] = {}
        """What local switches and breakers said last: one that is not read stands as it stood."""
        self._limits = limits

    def number(self, at: Ref | None) -> float | None:
        """Return a point's number; of a switch 0 or 1."""
        if at is None:
            return None
        value = self.values.get(at)
        return value if isinstance(value, int | float) else None

    def flag(self, at: Ref | None) -> bool | None:
        """Return whether a switch or bit is on."""
        value = self.values.get(at) if at is not None else None
        return value if isinstance(value, bool) else None

    def holder(self, fixture: Fixture) -> str:
        """Say by whom a lamp is held; empty where it is not, or nobody could tell yet."""
        if self._holds(fixture.local):
            return "held by the local switch"
        return "its breaker has tripped" if self._holds(fixture.breaker) else ""

    def is_unread(self, fixture: Fixture) -> bool:
        """Say whether its local switch or its breaker was never read."""
        return any(at is not None and at not in self.held for at in (fixture.local, fixture.breaker))

    def _holds(self, at: Ref | None) -> bool:
        return at is not None and self.held.get(at, False)

    def power_w(self, fixture: Fixture) -> float | None:
        """Return what it draws, as the sum of what is measured; None unless all of it is known."""
        refs = fixture.power or fixture.currents
        values = [value for at in refs if (value := self.number(at)) is not None]
        if not refs or len(values) < len(refs):
            return None
        return sum(values) * (1 if fixture.power else self._limits.nominal_voltage_v)

    def seen(self, fixture: Fixture) -> Seen:
        """Return all that a lamp's points read."""
        return Seen(
            self.number(fixture.output),
            self.number(fixture.actual),
            self.power_w(fixture),
            self.number(fixture.voltage),
            self.flag(fixture.failure),
            self.flag(fixture.dimming_failure),
            self.flag(fixture.relay_failure),
            self.flag(fixture.cycling_failure),
        )

    def level(self, fixture: Fixture) -> float | None:
        """Return what it gives as far as that is read, in per cent."""
        value = self.number(fixture.actual if fixture.actual is not None else fixture.output)
        return value if value is None or not fixture.is_switch else 100.0 * bool(value)

    def burns(self, fixture: Fixture) -> bool | None:
        """Say whether it is lit: by what it draws, else by what it says; None where nobody can tell."""
        power_w, allowed = self.power_w(fixture), power_range(fixture, 100, self._limits)
        if power_w is not None and allowed is not None:
            return power_w > allowed.nothing_w
        level = self.level(fixture)
        return None if level is None else level > 0

    def energy_wh(self, fixture: Fixture) -> float | None:
        """Return what its own counter says."""
        value = self.number(fixture.energy)
        return None if value is None else value * fixture.energy_wh

    def complete(self, fixture: Fixture) -> bool:
        """Say whether output and what it gives were both read, or tried to be read."""
        return fixture.output in self.values and (fixture.actual is None or fixture.actual in self.values)

    def taken(self, lamp: LampState) -> bool | None:
        """Say whether the output itself reads as commanded; None where it cannot be read."""
        value = self.number(lamp.fixture.output)
        if value is None or lamp.level is None:
            return None
        return matches(lamp.fixture, value, lamp.level, 1.0)

    def proved(self, lamp: LampState) -> bool:
        """Say whether everything that is read says that the lamp does what is due."""
        if not self.taken(lamp) or lamp.level is None:
            return False
        actual = lamp.fixture.actual
        if actual is None:
            return True
        value = self.number(actual)
        return value is not None and matches(lamp.fixture, value, lamp.level, self._limits.level_tolerance)
