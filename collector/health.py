"""What is stuck, and how much there is of everything: for /healthz and /metrics."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, func, select

from collector import journal
from collector.database import Database
from collector.ingest import Ingest
from collector.lamps.rates import LampRates
from collector.metrics import Metrics
from collector.mqtt import Link
from collector.platforms.running import Platforms
from collector.projections import Keeper
from collector.publishing import Publisher
from collector.tables import alarms, cases, dead_letters, desired, gateways, outbox
from collector.telling.tables import messages
from collector.telling.teller import Teller


class Health:
    """Looks at the parts of a running centre."""

    def __init__(
        self,
        state: Database,
        metrics: Metrics,
        *,
        link: Link,
        ingest: Ingest,
        keepers: Sequence[Keeper],
        platforms: Platforms,
        teller: Teller | None,
        publishers: Sequence[Publisher],
        lamp_rates: LampRates,
        gauges: Sequence[Callable[[Connection], None]],
        stuck_after_s: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        """Everything is only looked at; ``gauges`` bring some of their own up to date."""
        self._state, self._metrics = state, metrics
        self._link, self._ingest, self._keepers, self._platforms = link, ingest, keepers, platforms
        self._publishers, self._teller = publishers, teller
        self._lamp_rates, self._gauges = lamp_rates, gauges
        self._stuck_after_s, self._monotonic_s = stuck_after_s, monotonic_s

    def reasons(self) -> list[str]:
        """Return what is stuck, in whole sentences; nothing where all is well."""
        found = []
        if not self._link.connected:
            found.append(f"broker: no connection ({self._link.last_error})")
        if self._ingest.failing:
            found.append(f"journal: nothing can be committed ({self._ingest.failing})")
        for keeper in self._keepers:
            idle_s = self._monotonic_s() - keeper.moved_s
            if idle_s > self._stuck_after_s and not keeper.failing:
                found.append(f"projection {keeper.projection.name}: no progress for {idle_s:.0f} s")
        found += self._metrics.patiences.reasons()
        found += [f"platform {name}: takes nothing ({it})" for name, it in self._platforms.troubles.items()]
        if self._teller:
            found += self._teller.reasons()
        found += [
            f"{each.name}: cannot be read or noted ({each.failing})"
            for each in self._publishers
            if each.failing
        ]
        return found

    async def metrics_text(self) -> bytes:
        """Bring the gauges up to date and return all metrics as Prometheus reads them."""
        positions = {keeper.projection.name: await keeper.projection.position() for keeper in self._keepers}
        await self._state.read(lambda connection: self._measure(connection, positions))
        await self._lamp_rates.measure()
        return self._metrics.text()

    def _measure(self, connection: Connection, positions: dict[str, int]) -> None:
        metrics = self._metrics
        end = journal.head(connection)
        metrics.waiting.set(self._link.waiting)
        metrics.journal_bytes.set(end.bytes)
        metrics.journal_batches.set(end.batches)
        for name, position in positions.items():
            metrics.lag.labels(name).set(max(0, end.last_id - position))
        counted = [
            (metrics.gateways, gateways.c.online),
            (metrics.cases, cases.c.stage),
            (metrics.outbox, outbox.c.state),
            (metrics.messages, messages.c.state),
            (metrics.desired, desired.c.state),
        ]
        for gauge, column in counted:
            gauge.clear()
            for label, count in connection.execute(select(column, func.count()).group_by(column)):
                gauge.labels("unknown" if label is None else str(label).lower()).set(count)
        for bring_up_to_date in self._gauges:
            bring_up_to_date(connection)
        active = select(func.count()).select_from(alarms).where(alarms.c.cleared_ms.is_(None))
        metrics.alarms_active.set(connection.execute(active).scalar_one())
        letters = select(func.count()).select_from(dead_letters)
        metrics.dead_letters.set(connection.execute(letters).scalar_one())
