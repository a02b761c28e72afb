"""Looks at the fleet at the rim, and tells the book of alarms what the rules decide."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

from sqlalchemy import Connection, delete
from sqlalchemy import insert as plain_insert

from collector.alarms.book import AlarmBook, Ended
from collector.alarms.happening import Alarm
from collector.database import Database
from collector.fleet import facts, findings, words
from collector.fleet.findings import GatewayFacts
from collector.fleet.settings import Fleet
from collector.fleet.tables import fleet_standing
from collector.fleet.watching import Decided, Delays, Finding, Source, decide
from collector.patience import Patiences, repeated
from contract.events import AlarmCleared
from contract.samples import ClockState
from lighting.figures import Figures

DAY_MS = 86_400_000
CONDITIONS = {"line_down": "line", "many_neighbours": "area"}
"""What the ``device`` of such an alarm is; that of the others is empty."""


class LastNight(Protocol):
    """Where the figures of the lamps' last night are read."""

    async def last_night(self) -> Figures:
        """Return them."""


class FleetWatch:
    """Looks every ``interval_s``; what stands is in the database, so a restart forgets nothing of it."""

    def __init__(
        self,
        settings: Fleet,
        state: Database,
        store: Database,
        book: AlarmBook,
        lamps: LastNight,
        *,
        area_of: facts.AreaOf,
        connected: Callable[[], bool],
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        """``area_of`` returns the area of a part by its code; ``connected`` whether the centre hears."""
        self._settings, self._state, self._store, self._book = settings, state, store, book
        self._lamps, self._area_of, self._connected = lamps, area_of, connected
        self._now_ms, self._new_id = now_ms, new_id
        self._watches = settings.watches
        self._delays = {
            name: Delays(round(watch.on_delay_s * 1000), round(watch.off_delay_s * 1000))
            for name, watch in self._watches.items()
        }
        self._pending: dict[Source, int] = {}
        self._hears_since_ms: int | None = None
        self._slow_ms: int | None = None
        self._night = Figures()
        self._areas: dict[str, str] = {}
        self._after = ""

    async def run(self, patiences: Patiences) -> None:
        """Look until cancelled; a look that fails is the next one's work."""
        await repeated(self.look, self._settings.interval_s, patiences.of("the watch on the fleet"))

    async def look(self) -> None:
        """Look once: raise and clear what is due."""
        now_ms = self._now_ms()
        if not self._connected():
            self._hears_since_ms = None
        elif self._hears_since_ms is None:
            self._hears_since_ms = now_ms
        await self._look_slowly(now_ms)
        heard_after_ms = now_ms - self._settings.gone_after_days * DAY_MS
        known, standing = await self._state.read(
            lambda db: (facts.known_gateways(db, heard_after_ms), facts.standing(db))
        )
        found = self._found(known, standing, now_ms)
        found += await self._lines(known, standing, now_ms)
        watched = [each for each in found if self._watches[each.source.rule].enabled]
        watched += _switched_off(standing, [name for name, each in self._watches.items() if each.enabled])
        decided = decide(watched, standing, self._pending, self._delays, now_ms)
        if decided.raised or decided.cleared:
            await self._state.write(partial(self._write, decided=decided, standing=standing, now_ms=now_ms))
        self._pending = decided.pending

    def _found(
        self, known: Sequence[GatewayFacts], standing: dict[Source, str], now_ms: int
    ) -> list[Finding]:
        settings, hears = self._settings, self._hears_since_ms is not None
        of_gateways = list(findings.offline(known, settings.gateway_offline, self._hears_since_ms, now_ms))
        gone = findings.gone(of_gateways)
        online = 1 - len(gone) / len(known) if known and hears else None
        night = self._night
        return [
            findings.centre(self._connected()),
            *of_gateways,
            *findings.neighbours(
                [each.gateway for each in known],
                gone,
                self._areas,
                settings.many_neighbours,
                standing,
                hears=hears,
            ),
            findings.rate(
                "online_rate", online, len(known), settings.online_rate, standing, words.ONLINE_RATE
            ),
            findings.rate(
                "lit_rate", night.lit_rate, night.should, settings.lit_rate, standing, words.LIT_RATE
            ),
            findings.rate(
                "intact_rate",
                night.intact_rate,
                night.records,
                settings.intact_rate,
                standing,
                words.INTACT_RATE,
            ),
        ]

    async def _lines(
        self, known: Sequence[GatewayFacts], standing: dict[Source, str], now_ms: int
    ) -> list[Finding]:
        """Look at the lines of the next few gateways, and of those of which a line is down."""
        settings = self._settings.line_down
        if not settings.enabled:
            return []
        following = [each for each in known if each.gateway > self._after][: settings.gateways_at_once]
        self._after = following[-1].gateway if len(following) == settings.gateways_at_once else ""
        down = {source.gateway for source in standing if source.rule == "line_down"}
        chosen = {each.gateway: each for each in known if each in following or each.gateway in down}
        on_lines, stale = await self._state.read(
            lambda db: (facts.lines_of(db, chosen), facts.stale_alarms(db, chosen))
        )
        found: list[Finding] = []
        for name, gateway in chosen.items():
            by_samples = await self._store.read(partial(facts.silent_by_samples, gateway=name, now_ms=now_ms))
            since_ms = {device: at_ms for (of, device), at_ms in stale.items() if of == name}
            devices = facts.device_facts(on_lines[name], since_ms, by_samples)
            is_there = self._hears_since_ms is not None and gateway.online is not False
            found += findings.lines(name, devices, settings, is_there=is_there)
            lines = {line for line, _ in on_lines[name]}
            found += [
                Finding(source, False, 0, words.NOT_WATCHED)
                for source in standing
                if source.rule == "line_down" and source.gateway == name and source.device not in lines
            ]
        return found

    async def _look_slowly(self, now_ms: int) -> None:
        """Read what changes once a day, every ``slow_interval_s``."""
        if self._slow_ms is not None and 0 <= now_ms - self._slow_ms < self._settings.slow_interval_s * 1000:
            return
        self._slow_ms = now_ms
        self._areas = await self._state.read(partial(facts.areas, area_of=self._area_of))
        self._night = await self._lamps.last_night()

    def _write(
        self, connection: Connection, decided: Decided, standing: dict[Source, str], now_ms: int
    ) -> None:
        told: list[Alarm | Ended] = []
        for finding in decided.raised:
            source, alarm_id = finding.source, self._new_id()
            row = source._asdict() | {"alarm_id": alarm_id, "raised_ms": now_ms}
            connection.execute(plain_insert(fleet_standing).values(row))
            told.append(self._alarm(finding, alarm_id, now_ms))
        for finding in decided.cleared:
            source = finding.source
            where = [fleet_standing.c[name] == value for name, value in source._asdict().items()]
            connection.execute(delete(fleet_standing).where(*where))
            event = AlarmCleared(
                standing[source],
                now_ms,
                source.rule,
                source.device,
                "",
                finding.value,
                reason=finding.message if finding.message == words.NOT_WATCHED else "",
            )
            told.append(Ended(source.gateway, event, now_ms))
        self._book.take(connection, told)

    def _alarm(self, finding: Finding, alarm_id: str, now_ms: int) -> Alarm:
        source = finding.source
        watch = self._watches[source.rule]
        return Alarm(
            gateway=source.gateway,
            id=alarm_id,
            rule=source.rule,
            device=source.device,
            point="",
            condition=CONDITIONS.get(source.rule, ""),
            problem=watch.problem,
            priority=watch.priority,
            message=finding.message[:500],
            part="",
            value=finding.value,
            limit=finding.limit,
            clock=ClockState.SYNCHRONISED,
            raised_ms=now_ms,
            received_ms=now_ms,
        )


def _switched_off(standing: Iterable[Source], enabled: Collection[str]) -> list[Finding]:
    """Return what clears the alarms of rules that are off."""
    return [Finding(source, False, 0, words.NOT_WATCHED) for source in standing if source.rule not in enabled]
