"""The oracle's book: what came of each transaction, by what befell it."""

from collections import Counter
from dataclasses import dataclass, field

from bench.faults.plan import FAULTS, HARMLESS, Step
from edge.drivers import modbus_pdu
from edge.drivers.modbus_pdu import ModbusError
from simulators.faults import Instead, Merged, rtu_frame
from simulators.faulty_wire import FaultyWire

LEARNING = "learning"
"""Reads that only show what the adapter does; they are judged, and counted as no transactions."""
NO_FAULT = (LEARNING, "unheard", "stalled", "none", "refused", "dead_unit")
NO_FAILURES = ("right", "wrong", "crc_collision", "beyond_bound")
HEALTHY = ("none", "refused")
EXAMPLES_MAX = 5


@dataclass
class Tally:
    """Verdicts by kind: ``right``, ``wrong``, ``crc_collision``, ``beyond_bound``, or a failure's name."""

    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    """The first transactions that went wrong, for whoever must find out why."""
    watched: Counter[str] = field(default_factory=Counter)
    """What process alarms saw of it: ``samples``, of these ``bad``, and ``alarms`` raised."""

    def add(self, kind: str, verdict: str, told: str = "") -> None:
        """Book one transaction."""
        self.verdicts.setdefault(kind, Counter())[verdict] += 1
        spoiled = kind in HEALTHY and verdict != "right"
        if (verdict == "wrong" or spoiled) and len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{kind}: {verdict}: {told}")

    def merge(self, other: "Tally") -> None:
        """Add another's figures."""
        for kind, verdicts in other.verdicts.items():
            self.verdicts.setdefault(kind, Counter()).update(verdicts)
        self.watched.update(other.watched)
        self.examples = (self.examples + other.examples)[:EXAMPLES_MAX]

    def count(self, verdict: str) -> int:
        """Return how often a verdict was given."""
        return sum(verdicts[verdict] for verdicts in self.verdicts.values())

    @property
    def transactions(self) -> int:
        """How many were booked."""
        return sum(verdicts.total() for kind, verdicts in self.verdicts.items() if kind != LEARNING)

    @property
    def faults(self) -> int:
        """How many of them something had befallen."""
        return sum(each.total() for kind, each in self.verdicts.items() if kind not in NO_FAULT)

    @property
    def healthy_spoiled(self) -> int:
        """How many failed though nothing had befallen them."""
        return sum(self._failed(kind) for kind in HEALTHY)

    @property
    def harmless_failed(self) -> int:
        """How many failed though their answer was there, whole and in time."""
        return sum(self._failed(kind) for kind in HARMLESS)

    def _failed(self, kind: str) -> int:
        verdicts = self.verdicts.get(kind, Counter())
        return verdicts.total() - sum(verdicts[each] for each in NO_FAILURES)

    def table(self) -> list[str]:
        """Return the figures by kind, 80 columns wide."""
        rows = [f"{'kind':<21}{'injected':>8}{'right':>8}{'failed':>8}{'wrong':>6}  failed with"]
        for kind in sorted(self.verdicts, key=lambda kind: (kind not in NO_FAULT, kind)):
            verdicts, failed = self.verdicts[kind], self._failed(kind)
            rows.append(
                f"{kind:<21}{verdicts.total():>8}{verdicts['right']:>8}{failed:>8}{verdicts['wrong']:>6}  "
                + _reasons(verdicts)
            )
        return rows


class Watch:
    """What befalls a transaction without being drawn for it; made before it begins."""

    def __init__(self, wire: FaultyWire, now_ns: int) -> None:
        """Note what has happened so far."""
        self._wire, self._began_ns = wire, now_ns
        self._disturbances = wire.collisions + wire.overlaps
        self._crc_collisions = wire.crc_collisions

    @property
    def _disturbed(self) -> bool:
        return self._wire.collisions + self._wire.overlaps > self._disturbances

    def kind(self, step: Step, *, learnt: bool) -> str:
        """Return under which kind a step is booked.

        Frames that fell on one another, and another master's while ours was under way, are faults of their
        own; so is a write before any answered read has shown whether the adapter echoes (``learnt``).
        Where no device heard the request, the fault drawn for its answer was none.
        """
        if step.kind in FAULTS and not self._wire.struck:
            return "unheard"
        if step.row not in HEALTHY and step.row not in HARMLESS:
            return step.row
        if self._disturbed:
            return "collided"
        if self._wire.foreign_until_ns > self._began_ns:
            return "master_near"
        if step.values and not learnt:
            return "echo_unlearnt"
        return step.row

    def verdict(self, step: Step, pdu: bytes | None, error: str, *, checks_writes: bool = True) -> str:
        """See ``judged``; where a harmed answer's checksum is right by chance, that is said.

        Where a late answer fell on the right one, and a frame of its very form followed, it is beyond the
        bound: nobody could know.
        """
        verdict = judged(step, pdu, error, self._wire, checks_writes=checks_writes)
        if verdict == "wrong" and self._disturbed and isinstance(step.fault, Merged) and step.fault.double:
            return "beyond_bound"
        by_chance = self._wire.crc_collisions > self._crc_collisions
        return "crc_collision" if by_chance and verdict == "wrong" else verdict


def _reasons(verdicts: Counter[str]) -> str:
    """Return what failed, the commonest first, in the rest of a row."""
    room, said = 28, ""
    for verdict, count in verdicts.most_common():
        if verdict not in ("right", "wrong"):
            more = f"{', ' if said else ''}{verdict} {count}"
            if len(said) + len(more) > room:
                return said + " .."
            said += more
    return said


def judged(step: Step, pdu: bytes | None, error: str, wire: FaultyWire, *, checks_writes: bool = True) -> str:
    """Return the verdict on what a master made of a step.

    The right answer is what the device itself said when it heard this very request (or the exception that
    the fault put in its place). A master that does not hold a write's answer against its request is judged
    by what it reports: that the write was done.
    """
    if pdu is None:
        return error
    request = step.pdu
    said = _pdus(step, wire)
    if pdu in said:
        return "right"
    if not pdu[0] & 0x80:
        try:
            if not step.values:
                modbus_pdu.read_answer(step.table, step.count, pdu)
            elif checks_writes:
                modbus_pdu.check_write_answer(request, pdu)
            elif any(each[0] == request[0] for each in said):
                return "right"  # done, though the answer tells something else
        except ModbusError as refusal:
            return str(refusal)
    meant = rtu_frame(step.unit_id, pdu)
    return "wrong" if any(meant in frame for frame in wire.meant) else "crc_collision"


def _pdus(step: Step, wire: FaultyWire) -> list[bytes]:
    if not wire.said:
        return []
    said = [wire.said[1:-2]]
    if isinstance(step.fault, Instead) and step.fault.exception:
        said.append(step.fault.other(wire.said)[1:-2])
    return said
