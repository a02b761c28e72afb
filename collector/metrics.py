"""What the centre counts, in a registry of its own, in the text form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest

from collector.intake import Outcome
from collector.marks import Decision
from collector.patience import Patiences

disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each counter, that nobody reads


class Metrics:
    """All counters and gauges; one object a collector, so that several can live in one process."""

    def __init__(self) -> None:
        """Begin at zero; what is counted by kind shows its kinds at once."""
        self.registry = CollectorRegistry()
        self.batches = self._counter("batches", "Batches received, by what became of them.", "decision")
        for decision in Decision:
            self.batches.labels(str(decision))
        self.rejected = self._counter("messages_rejected", "Messages refused and dead-lettered.", "reason")
        self.hellos = self._counter("hellos", "Hellos answered.")
        self.states = self._counter("states", "States heard, and hellos or states taken back.")
        self.live = self._counter(
            "live_messages", "Messages of newest values taken, heard by anybody or not."
        )
        self.acknowledgements = self._counter(
            "acknowledgements_sent", "Acknowledgements the broker has taken."
        )
        self.samples = self._counter("samples_stored", "Samples written to the series, replays included.")
        self.undecodable = self._counter(
            "batches_undecodable", "Journalled batches that did not decode.", "projection"
        )
        self.store_samples = self._counter(
            "store_samples_sent",
            "Samples that a series store answered for, repetitions included.",
            "projection",
        )
        self.store_rewinds = self._counter(
            "store_rewinds", "Times that a series store was sent again what had not settled.", "projection"
        )
        self.store_batches_lost = self._counter(
            "store_batches_lost",
            "Batches that left a full journal before a series store had them for certain.",
            "projection",
        )
        self.store_lines_refused = self._counter(
            "store_lines_refused", "Samples that a series store does not take.", "projection"
        )
        self.patiences = Patiences(
            self._counter(
                "failures", "Failures of a part of the centre, each of which is tried again.", "part"
            )
        )
        self.broker_connections = self._counter("broker_connections", "Connections made to the broker.")
        self.posts = self._counter("case_posts", "Requests to the city platform, by outcome.", "outcome")
        self.platform_statuses = self._counter(
            "platform_statuses",
            "What city platforms told of cases, by how and what became of it.",
            "platform",
            "source",
            "outcome",
        )
        self.callbacks_refused = self._counter(
            "platform_callbacks_refused", "Callbacks of city platforms refused.", "platform", "reason"
        )
        self.desired_sent = self._counter("desired_sent", "Desired documents the broker has taken.")
        self.commands_sent = self._counter("commands_sent", "Commands the broker has taken.")
        self.broker_connected = self._gauge("broker_connected", "1 while connected to the broker.")
        self.waiting = self._gauge("broker_messages_waiting", "Arrived, and not yet confirmed to the broker.")
        self.ingest_queue_bytes = self._gauge("ingest_queue_bytes", "Received and not yet committed.")
        self.journal_bytes = self._gauge("journal_bytes", "Message bytes in the journal.")
        self.journal_batches = self._gauge("journal_batches", "Batches in the journal.")
        self.dead_letters = self._gauge("dead_letters", "Refused messages kept.")
        self.lag = self._gauge("projection_lag_batches", "Batches not yet projected.", "projection")
        self.gateways = self._gauge("gateways", "Gateways, by whether they are online.", "online")
        self.alarms_active = self._gauge("alarms_active", "Alarms that are active.")
        self.alarm_lists = self._gauge(
            "alarm_sources", "Alarm sources, by the lists that operators have.", "list"
        )
        self.alarms_per_10min = self._gauge(
            "alarms_annunciated_10min", "Alarms annunciated in the last ten minutes."
        )
        self.alarm_flood = self._gauge("alarm_flood", "1 while there is a flood of alarms.")
        self.cases = self._gauge("cases", "Cases, by stage.", "stage")
        self.desired = self._gauge("desired_documents", "Desired documents kept, by state.", "state")
        self.lamps_lit = self._gauge(
            "lamps_lit_ratio",
            "Of the lamps that were to burn in the last whole night, those lit.",
            "district",
        )
        self.lamps_intact = self._gauge(
            "lamps_intact_ratio",
            "Of the lamps told of in the last whole night, those without a failure.",
            "district",
        )
        self.messages = self._gauge("messages", "Messages to people, by state.", "state")
        self.outbox = self._gauge("outbox", "Messages to city platforms, by state.", "state")

    def took(self, outcome: Outcome) -> None:
        """Count what became of a group."""
        for decision, count in outcome.batches.items():
            self.batches.labels(str(decision)).inc(count)
        for reason, count in outcome.rejected.items():
            self.rejected.labels(reason).inc(count)
        self.hellos.inc(outcome.hellos)
        self.states.inc(outcome.states)

    def show_store(self, name: str) -> None:
        """Show the counters of a series store at once."""
        for counter in (
            self.store_samples,
            self.store_rewinds,
            self.store_batches_lost,
            self.store_lines_refused,
        ):
            counter.labels(name)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"gengfu_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"gengfu_{name}", about, labels, registry=self.registry)
