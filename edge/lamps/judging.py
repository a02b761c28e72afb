"""Failures of lamps: what each reads, held against what it should be doing. Pure but for the alarms."""

import math
from collections.abc import Mapping

from edge.clock import Moment
from edge.lamps import verdicts
from edge.lamps.alarms import Alarms, Delays
from edge.lamps.fixtures import Fixture
from edge.lamps.lamp import Known, LampState, Phase
from edge.lamps.settings import Lighting
from edge.lines.line import LineError
from edge.rules.effects import Emit

COMMUNICATION_FAILURE = "communication_failure"
OF_COMMANDS = (
    verdicts.LAMP_FAILURE,
    verdicts.UNEXPECTED_ON,
    verdicts.POWER_TOO_LOW,
    verdicts.POWER_TOO_HIGH,
    verdicts.DIMMING_FAILURE,
    verdicts.RELAY_FAILURE,
    verdicts.SWITCHING_ERROR_ON,
    verdicts.SWITCHING_ERROR_OFF,
    verdicts.CYCLING_FAILURE,
)
"""Failures against a command: another command begins their delays anew."""
SILENCE = {str(error) for error in LineError} - {LineError.UNAVAILABLE, LineError.HELD_BACK}
"""Errors by which a lamp does not answer; with the others nobody was asked, or somebody refused."""


class Judge:
    """Looks at lamps as they are read."""

    def __init__(
        self, states: Mapping[str, LampState], known: Known, alarms: Alarms, lighting: Lighting
    ) -> None:
        """``alarms`` keeps what was raised."""
        self._states, self._known, self._alarms, self._lighting = states, known, alarms, lighting
        self._delays = Delays(lighting.on_delay_s, lighting.off_delay_s)
        self._answers = Delays(lighting.on_delay_s, 0)
        self._told = Delays(lighting.on_delay_s, max(lighting.off_delay_s, lighting.told_off_delay_s))
        self._blind = {name for name, lamp in states.items() if _says_nothing(lamp.fixture)}
        """Lamps of which only the command can be read back: nothing more is to be judged."""

    def begin_anew(self, lamp: LampState) -> None:
        """What showed so far was of another command."""
        self._alarms.forget_delays(lamp.fixture.output, OF_COMMANDS)

    def look(self, lamp: LampState, now: Moment) -> list[Emit]:
        """Return what is raised or cleared by what a lamp reads now."""
        if not lamp.heard:
            return []
        fixture, level = lamp.fixture, lamp.level
        effects = self._silence(lamp, now)
        if fixture.leakage is not None:
            effects += self._leakage(lamp, now)
        if fixture.name in self._blind:
            return effects
        if level is None or not self._counts(lamp):
            self.begin_anew(lamp)
            return effects
        seen = self._known.seen(fixture)
        for found in verdicts.findings(fixture, level, self._due_percent(lamp), seen, self._lighting):
            effects += self._take(fixture, found, now)
        return effects

    def _take(self, fixture: Fixture, found: verdicts.Finding, now: Moment) -> list[Emit]:
        return self._alarms.take(
            found.problem,
            fixture.output,
            found.shows,
            now,
            self._told if found.problem in verdicts.FORGOTTEN else self._delays,
            told=found.told,
            part=fixture.part,
            value=found.value,
            limit=found.limit,
        )

    def _leakage(self, lamp: LampState, now: Moment) -> list[Emit]:
        """Whether its pole leaks: of a lamp that is held by hand as well, and of none that is unpowered."""
        fixture, known = lamp.fixture, self._known
        says = known.flag(fixture.leakage) if lamp.powered else None
        return self._take(fixture, verdicts.leakage(fixture, says, known.burns(fixture)), now)

    def _silence(self, lamp: LampState, now: Moment) -> list[Emit]:
        """Whether it answers; of a lamp without power, or on a line that is gone, nobody can tell."""
        silent: bool | None = None
        if lamp.reachable and (not lamp.error or lamp.error in SILENCE):
            silent = bool(lamp.error)
        fixture = lamp.fixture
        told = f"{fixture.name} does not answer: {lamp.error}" if silent else ""
        return self._alarms.take(
            COMMUNICATION_FAILURE, fixture.output, silent, now, self._answers, told=told, part=fixture.part
        )

    def _counts(self, lamp: LampState) -> bool:
        """Say whether it can be held against its command: that has arrived, or was given up."""
        if not lamp.reachable:
            return False
        if lamp.phase is Phase.UNPROVED:
            return self._known.taken(lamp) is True
        return lamp.phase in (Phase.PROVED, Phase.FAILED)

    def _due_percent(self, lamp: LampState) -> float:
        """Return which part of its rated power a lamp, or the lamps of a circuit, should draw."""
        fixture, level = lamp.fixture, lamp.level or 0
        if not fixture.is_switch:
            return level
        if not level or not fixture.members or not fixture.rated_power_w:
            return 100.0 * bool(level)
        members = [self._states[name] for name in fixture.members]
        due_w = math.fsum((it.fixture.rated_power_w or 0.0) * (it.level or 0) / 100 for it in members)
        return 100 * due_w / fixture.rated_power_w


def _says_nothing(fixture: Fixture) -> bool:
    more = (fixture.actual, fixture.voltage, *fixture.bits[:4], *fixture.power, *fixture.currents)
    return not fixture.is_switch and not any(more)
