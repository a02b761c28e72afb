"""What is asked, and what befalls it: an endless, seeded plan. The most confusable mix is the rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from device_profiles.schema import BIT_TABLES, Table
from edge.drivers import modbus_pdu
from edge.lines.line import Request
from simulators.addressed import ADDRESSES
from simulators.faults import (
    MS,
    Blurred,
    Cut,
    Fault,
    Flipped,
    Garbage,
    Instead,
    Late,
    Merged,
    Silent,
    Twice,
    rtu_frame,
)
from simulators.faulty_wire import Foreign

LIVE, DEAD = (1, 2), 3
REFUSED = 0xFFF0
FOREIGN_BIT_ADDRESS_MAX = 0x0200
"""From 0x0300 on a request for bits may be spelled exactly as an answer of three data bytes."""

NOTHING = Fault()
Event = Literal["", "echo", "unplug"]
READ_TABLES: tuple[Table, ...] = ("holding_register", "input_register", "coil", "discrete_input")
Form = tuple[int, Table, int, bool]
"""Unit, table, count, and whether it writes."""


@dataclass(frozen=True)
class Step:
    """One transaction of the campaign."""

    unit_id: int
    table: Table
    address: int
    count: int
    values: tuple[int, ...] = ()
    """What is written; empty for a read."""
    kind: str = "none"
    fault: Fault = NOTHING
    foreign: Foreign | None = None
    before: bytes = b""
    """What another master asks before ours is begun, ``head_start_ns`` earlier."""
    head_start_ns: int = 0
    theirs: Form | None = None
    """What form the other master's request has."""
    event: Event = ""
    at: float = 0.0
    """When a port is unplugged, as a part of the timeout."""

    def request(self, timeout_s: float) -> Request:
        """Return it as a line takes it."""
        if self.values:
            pdu, answer_bytes = modbus_pdu.write_request(self.table, self.address, self.values)
        else:
            pdu, answer_bytes = modbus_pdu.read_request(self.table, self.address, self.count)
        return Request(self.unit_id, pdu, answer_bytes, timeout_s)

    @property
    def form(self) -> Form:
        """Return what makes requests alike."""
        return self.unit_id, self.table, self.count, bool(self.values)

    @property
    def copied(self) -> bool:
        """Whether another master asks the very same, which looks like an echo."""
        return self.foreign is not None and self.foreign.frame == _framed(self)

    def alone(self) -> "Step":
        """Return it without the other master."""
        kind = "dead_unit" if self.unit_id == DEAD else "none"
        return _replaced(self, foreign=None, theirs=None, kind=kind) if self.foreign else self

    @property
    def row(self) -> str:
        """Under which name it is booked."""
        return f"{self.kind}, dead" if self.unit_id == DEAD and self.kind in LINE_KINDS else self.kind

    @property
    def pdu(self) -> bytes:
        """The request's PDU."""
        return self.request(0).pdu


@dataclass(frozen=True)
class Bounds:
    """What the faults keep within: the request's timeout, and how long after it an answer may begin."""

    timeout_ns: int
    late_ns: int
    in_time_ns: int
    """So long an answer may take and still count as one in time."""
    unplug_share: float = 1.0
    """How many of the drawn unpluggings are done: a real port takes its time to come back."""


def steps(random: Random, bounds: Bounds) -> Iterator[Step]:
    """Yield a plan; the same for the same seed and bounds."""
    form = _form(random)
    while True:
        if random.random() < 0.3:
            form = _form(random)
        unit_id, table, count, writes = form
        refused = random.random() < 0.04
        address = REFUSED if refused else random.randrange(ADDRESSES - count)
        values: tuple[int, ...] = ()
        if writes:
            values = tuple(random.randrange(2 if table == "coil" else 65_536) for _ in range(count))
        step = Step(unit_id, table, address, count, values)
        if random.random() < (0.25 if unit_id == DEAD else 0.6):
            step = _befallen(step, random, bounds, refused=refused)
            yield step
            if step.theirs and random.random() < 0.5:
                form = step.theirs  # ours that could be confused with theirs comes next
        else:
            kind = "dead_unit" if unit_id == DEAD else "refused" if refused else "none"
            yield _replaced(step, kind=kind)


def _form(random: Random) -> Form:
    unit_id = random.choice((1, 1, 1, 2, 2, DEAD))
    if random.random() < 0.3:
        table, count = random.choice((("coil", 1), ("holding_register", 1), ("holding_register", 3)))
        return unit_id, _table(table), count, True
    chosen = random.choice(READ_TABLES)
    return unit_id, chosen, random.choice((16, 24, 40) if chosen in BIT_TABLES else (1, 2, 4, 8, 40)), False


def _table(name: str) -> Table:
    return next(table for table in READ_TABLES if table == name)


def _replaced(step: Step, **fields: object) -> Step:
    return Step(**{**step.__dict__, **fields})


def _befallen(step: Step, random: Random, bounds: Bounds, *, refused: bool) -> Step:
    kinds = list(LINE_KINDS) if step.unit_id == DEAD else [*LINE_KINDS, *LINE_KINDS, *ANSWER_KINDS]
    kind = random.choice(kinds)
    if refused and kind in ("wrong_count", "exception"):
        kind = "silent"
    if kind in FAULTS:
        return _replaced(step, kind=kind, fault=FAULTS[kind](step, random, bounds))
    if kind == "echo_switch":
        return _replaced(step, kind=kind, event="echo")
    if kind == "unplug":
        if random.random() > bounds.unplug_share:
            return _replaced(step, kind="dead_unit" if step.unit_id == DEAD else "none")
        fault = NOTHING
        if random.random() < 0.5:
            fault = FAULTS["too_late"](step, random, bounds)
        return _replaced(step, kind=kind, event="unplug", at=random.random() * 1.2, fault=fault)
    if kind == "master_idle":
        head_start_ns = random.randrange(60 * MS)
        theirs = _foreign(step, random)
        return _replaced(
            step, kind=kind, theirs=theirs.form, before=_framed(theirs), head_start_ns=head_start_ns
        )
    theirs = _foreign(step, random)
    return _replaced(step, kind=kind, theirs=theirs.form, foreign=_meanwhile(step, theirs, random))


def _meanwhile(step: Step, theirs: Step, random: Random) -> Foreign:
    same = theirs.unit_id == step.unit_id
    ours: Literal["first", "after", "never"] = random.choice(
        ("first", "after", "never") if same else ("first", "after")
    )
    return Foreign(random.randrange(1, 12 * MS), _framed(theirs), ours)


def _framed(step: Step) -> bytes:
    return rtu_frame(step.unit_id, step.pdu)


def _foreign(step: Step, random: Random) -> Step:
    """Return another master's request, mostly one whose answer looks like ours, at times the very same."""
    low = step.address < FOREIGN_BIT_ADDRESS_MAX or step.table not in BIT_TABLES
    if not step.values and low and (step.count <= 8 or step.table in BIT_TABLES) and random.random() < 0.1:
        return Step(*step.form[:2], step.address, step.count)
    unit_id = step.unit_id if random.random() < 0.5 else random.choice((1, 2, DEAD))
    table, count, writes = step.table, min(step.count, 8), bool(step.values)
    if random.random() < 0.3:
        table, count, writes = random.choice(READ_TABLES), random.choice((1, 2, 8)), False
    bits = table in BIT_TABLES
    if bits and not writes:
        count = step.count if step.table in BIT_TABLES else 16
    address = random.randrange(FOREIGN_BIT_ADDRESS_MAX if bits else ADDRESSES - count)
    values = tuple(random.randrange(2 if bits else 65_536) for _ in range(count)) if writes else ()
    if values and table not in ("coil", "holding_register"):
        values = ()
    return Step(unit_id, table, address, count, values)


def _noise(random: Random, count_max: int) -> bytes:
    return random.randbytes(random.randint(1, count_max))


def _other_answer(step: Step, random: Random) -> bytes:
    """Return an answer that cannot be meant for us: of another unit, or another function."""
    registers = random.randbytes(2 * random.choice((1, 2, 4)))
    function = step.pdu[0]
    if random.random() < 0.5:
        return rtu_frame(random.choice((5, 6, 200)), bytes([3, len(registers)]) + registers)
    other = random.choice([each for each in (3, 4) if each != function])
    return rtu_frame(step.unit_id, bytes([other, len(registers)]) + registers)


def _merged(step: Step, random: Random, bounds: Bounds) -> Fault:  # noqa: ARG001
    before = _other_answer(step, random) if random.random() < 0.5 else b""
    after = _other_answer(step, random) if random.random() < 0.5 else b""
    return Merged(before, after, double=random.random() < 0.3)


def _flipped(random: Random, least: int, most: int) -> Fault:
    return Flipped(frozenset(random.sample(range(2_000), random.randint(least, most))))


def _late(step: Step, random: Random, bounds: Bounds) -> Fault:  # noqa: ARG001
    return Late(bounds.timeout_ns + random.randrange(bounds.late_ns))


def _function(step: Step, random: Random) -> int:
    return random.choice([each for each in (1, 2, 3, 4, 5, 6, 16) if each != step.pdu[0]])


def _wrong_count(step: Step, random: Random, bounds: Bounds) -> Fault:  # noqa: ARG001
    return Instead(added=random.choice((-2, 2, 4) if step.table not in BIT_TABLES else (-1, 1, 2)))


FAULTS: dict[str, Callable[[Step, Random, Bounds], Fault]] = {
    "late_in_time": lambda _, random, bounds: Late(random.randrange(MS, bounds.in_time_ns)),
    "too_late": _late,
    "silent": lambda *_: Silent(),
    "duplicated": lambda _, random, __: Twice(random.randint(0, 2)),
    "cut_at_end": lambda _, random, __: Cut(random.randint(1, 12)),
    "cut_at_start": lambda _, random, __: Cut(random.randint(1, 12), at_start=True),
    "flipped_1_to_3": lambda _, random, __: _flipped(random, 1, 3),
    "flipped_4_to_64": lambda _, random, __: _flipped(random, 4, 64),
    "burst": lambda _, random, __: Blurred(random.randrange(256), _noise(random, 9)),
    "merged": _merged,
    "leading_zero": lambda *_: Garbage(before=b"\0"),
    "garbage_before": lambda _, random, __: Garbage(before=_noise(random, 12)),
    "garbage_after": lambda _, random, __: Garbage(after=_noise(random, 12)),
    "wrong_unit": lambda step, random, _: Instead(
        unit_id=random.choice([each for each in (1, 2, DEAD, 200) if each != step.unit_id])
    ),
    "wrong_function": lambda step, random, _: Instead(function=_function(step, random)),
    "wrong_count": _wrong_count,
    "exception": lambda _, random, __: Instead(exception=random.choice((1, 3, 4, 5, 6))),
}
"""What may befall an answer, by its kind."""

ANSWER_KINDS = tuple(FAULTS)
LINE_KINDS = ("echo_switch", "unplug", "master_idle", "master_waiting")
TELLING = ("none", "refused", "late_in_time", "exception", "duplicated", "garbage_after")
"""Kinds after which a right answer stood alone behind the request: it has shown whether there is an echo."""
HARMLESS = ("late_in_time", "duplicated", "leading_zero", "garbage_before", "garbage_after", "exception")
"""Kinds that leave the answer there, whole and in time: it must come out."""
