"""Every fault that the simulators can play, with its true cause: what the doctor is judged by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from bench.commissioning.cabinet import VALUES
from bench.commissioning.virtual import VirtualPort, Wire
from device_profiles import catalogue
from edge.commissioning.causes import Cause
from edge.commissioning.doctoring import Expected, examined
from edge.commissioning.symptoms import Evidence
from edge.lines.formats import Format
from simulators import faults
from simulators.bus import Bus, Mode
from simulators.faults import MS, Fault, rtu_frame
from simulators.faulty_wire import FaultyWire, Foreign
from simulators.mixed_wire import MixedWire
from simulators.signed_devices import SignedDevice
from simulators.wire import SimulatedWire

BAUD = 9600
LINE = Format(BAUD)
UNITS = (3, 4, 5)
PROFILES = {3: "xy_md02", 4: "water_gauge", 5: "renke_dust"}
STRANGER = bytes([9, 3, 0, 0, 0, 2])

Strikes = Callable[[Random, int], Fault | None]
"""From randomness and the number of the question: what befalls it; None: nothing."""


@dataclass(frozen=True)
class Ailment:
    """A fault, by its name, with what is truly wrong and how an examination of the line goes."""

    name: str
    cause: Cause
    examination: Callable[[int], Evidence]
    """Of a seed."""


def bus(units: tuple[int, ...] = UNITS, *, turnaround_ms: float = 8) -> Bus:
    """Return the devices of the line."""
    profiles = catalogue.load_all()
    made = Bus()
    for unit in units:
        profile = profiles[PROFILES[unit]]
        device = SignedDevice(f"d{unit}", profile, VALUES[profile.id], unit_id=unit, baud=BAUD)
        made.add(device, unit, turnaround_ms)
    return made


def expected(units: tuple[int, ...] = UNITS) -> list[Expected]:
    """Return the devices as the settings have them."""
    profiles = catalogue.load_all()
    return [Expected(f"d{unit}", unit, profiles[PROFILES[unit]], 0.5) for unit in units]


def _evidence(wire: Wire, before: Callable[[Wire, int], None], entry: Format, mode: Mode) -> Evidence:
    port = VirtualPort(wire, before, None if isinstance(wire, MixedWire) else entry)
    return examined(port, entry, mode, expected(), clock_s=port.s)


def struck(strikes: Strikes, *, echo: bool = False, foreign: bool = False) -> Callable[[int], Evidence]:
    """Return the examination of a line on which answers suffer."""

    def examination(seed: int) -> Evidence:
        random = Random(seed)
        wire = FaultyWire(bus(), BAUD)
        wire.echo = echo
        count = 0

        def before(_: Wire, now_ns: int) -> None:
            nonlocal count
            fault = strikes(random, count)
            theirs = Foreign(90 * MS, rtu_frame(9, STRANGER[1:])) if foreign and count % 3 == 0 else None
            wire.prepare(fault or Fault(), theirs)
            if theirs is not None:
                wire.ask(now_ns + 60 * MS, rtu_frame(9, STRANGER[1:]))
            count += 1

        return _evidence(wire, before, LINE, "rtu")

    return examination


def misset(
    entry: Format = LINE,
    mode: Mode = "rtu",
    *,
    units: tuple[int, ...] = UNITS,
    moved: bool = False,
    inverted: bool = False,
) -> Callable[[int], Evidence]:
    """Return the examination of a line whose devices are in another format, at other units, or not there."""

    def examination(_: int) -> Evidence:
        devices = Bus()
        for unit, seat in bus(units).seats.items():
            devices.add(seat.device, unit + 40 if moved else unit)
        wire = SimulatedWire(devices, entry.baud, entry.parity, entry.stop_bits, mode=mode)
        return _evidence(MixedWire([wire], inverted=inverted), lambda _wire, _now_ns: None, LINE, "rtu")

    return examination


def noisy(*, unasked: bool = True) -> Callable[[int], Evidence]:
    """Return the examination of a line on which noise falls at any time."""

    def examination(seed: int) -> Evidence:
        random = Random(seed)
        wire = FaultyWire(bus(), BAUD)
        for index in range(9 if unasked else 0):
            wire.inject(10**9 + index * 130 * MS, random.randbytes(random.randint(1, 3)))

        def before(_: Wire, now_ns: int) -> None:
            flipped = frozenset(random.sample(range(64), 3))
            wire.prepare(faults.Flipped(flipped) if random.random() < 0.3 else Fault())
            if random.random() < 0.15:
                wire.inject(now_ns + 400 * MS, random.randbytes(2))

        return _evidence(wire, before, LINE, "rtu")

    return examination


def mastered(seed: int) -> Evidence:
    """Return the examination of a line that another master polls."""
    wire = FaultyWire(bus(), BAUD)
    for index in range(8):
        wire.ask(10**9 + index * 180 * MS + seed % 50 * MS, rtu_frame(3, bytes([4, 0, 1, 0, 2])))
    return _evidence(wire, lambda _wire, _now_ns: None, LINE, "rtu")


def _always(fault: Fault) -> Strikes:
    return lambda _random, _count: fault


def _of_one(fault: Fault) -> Strikes:
    """Only one device suffers: they are asked in turn."""
    return lambda _random, count: fault if count % len(UNITS) == 0 else None


def _often(fault: Fault, share: float) -> Strikes:
    return lambda random, _count: fault if random.random() < share else None


def _flips(random: Random, count: int) -> Fault | None:  # noqa: ARG001
    return faults.Flipped(frozenset(random.sample(range(56), 4))) if random.random() < 0.35 else None


def _blurs(random: Random, count: int) -> Fault | None:  # noqa: ARG001
    return faults.Blurred(random.randrange(7), random.randbytes(3)) if random.random() < 0.4 else None


def _rings(random: Random, count: int) -> Fault | None:  # noqa: ARG001
    """Without termination it is the edges after a change of the driver that suffer, and the longer frames."""
    return faults.Blurred(5, bytes([1 << random.randrange(8)])) if random.random() < 0.5 else None


def ailments() -> Iterator[Ailment]:
    """Yield them all."""
    c = Cause
    yield Ailment("nobody is powered", c.NO_POWER_OR_CUT, misset(units=()))
    yield Ailment("one device is dead", c.NO_POWER_OR_CUT, misset(units=(3, 4)))
    yield Ailment("A and B are swapped", c.SWAPPED_WIRES, misset(inverted=True))
    for baud in (4800, 19_200, 115_200):
        yield Ailment(f"all run at {baud}", c.WRONG_BAUD, misset(Format(baud)))
    for parity in ("E", "O"):
        yield Ailment(f"all have parity {parity}", c.WRONG_PARITY, misset(Format(BAUD, parity)))
    yield Ailment("all are in ASCII mode", c.WRONG_MODE, misset(LINE, "ascii"))
    yield Ailment("all are at other units", c.WRONG_UNIT, misset(moved=True))
    yield Ailment("two answer at once", c.ADDRESS_CONFLICT, struck(_of_one(faults.Overlapped())))
    yield Ailment("two answer nearly at once", c.ADDRESS_CONFLICT, struck(_of_one(faults.Overlapped(1))))
    yield Ailment("two answer one after the other", c.ADDRESS_CONFLICT, struck(_of_one(faults.Stray(9 * MS))))
    yield Ailment("two answer in one burst", c.ADDRESS_CONFLICT, struck(_of_one(faults.Merged(double=True))))
    yield Ailment("the adapter echoes", c.ECHO, struck(_always(Fault()), echo=True))
    yield Ailment("the adapter echoes, nobody answers", c.ECHO, struck(_always(faults.Silent()), echo=True))
    yield Ailment("answers come late", c.LATE_ANSWERS, struck(_always(faults.Late(700 * MS))))
    yield Ailment("answers come late at times", c.LATE_ANSWERS, struck(_often(faults.Late(650 * MS), 0.3)))
    yield Ailment("bits flip", c.NOISE, struck(_flips))
    yield Ailment("bursts fall on answers", c.NOISE, struck(_blurs))
    yield Ailment("noise at any time", c.NOISE, noisy())
    yield Ailment("nothing terminates the line", c.MISSING_TERMINATION, struck(_rings))
    yield Ailment("a 0 before each answer", c.FLOATING_LINE, struck(_always(faults.Garbage(before=b"\0"))))
    yield Ailment("a 0xFF after each answer", c.FLOATING_LINE, struck(_always(faults.Garbage(after=b"\xff"))))
    yield Ailment("the first byte is lost", c.DIRECTION, struck(_always(faults.Cut(1, at_start=True))))
    yield Ailment("the first two bytes are lost", c.DIRECTION, struck(_always(faults.Cut(2, at_start=True))))
    yield Ailment("the last byte is lost", c.DIRECTION, struck(_always(faults.Cut(1))))
    yield Ailment("answers come twice", c.REPEATED, struck(_always(faults.Twice(2))))
    yield Ailment("answers are missing at times", c.LOOSE_CONTACT, struck(_often(faults.Silent(), 0.3)))
    yield Ailment("everything is refused", c.WRONG_PROFILE, struck(_always(faults.Instead(exception=2))))
    yield Ailment(
        "answers have another function", c.OTHER_PROTOCOL, struck(_always(faults.Instead(function=2)))
    )
    yield Ailment("answers have another length", c.OTHER_PROTOCOL, struck(_always(faults.Instead(added=2))))
    yield Ailment("answers have another unit", c.OTHER_PROTOCOL, struck(_always(faults.Instead(unit_id=77))))
    merged = faults.Merged(before=rtu_frame(9, bytes([3, 2, 0, 7])))
    yield Ailment("others' answers run into ours", c.OTHER_MASTER, struck(_always(merged)))
    yield Ailment("another master polls", c.OTHER_MASTER, mastered)
    yield Ailment("another master asks between", c.OTHER_MASTER, struck(_always(Fault()), foreign=True))
