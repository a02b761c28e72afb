"""The order of a scan, what it makes of bytes, that it finds who is there: on models of the wire."""

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commissioning.cabinet import CABINET, Seated, wire
from bench.commissioning.virtual import VirtualPort, swept
from device_profiles import catalogue
from edge.commissioning.finds import Ask, Effort, Heard
from edge.commissioning.scanning import Scanner
from edge.commissioning.sweep import Sweep
from edge.drivers.probing import RTU
from edge.lines.formats import Format
from simulators.addressed import addressed_bus
from simulators.faults import Overlapped
from simulators.faulty_wire import FaultyWire
from simulators.uart import Format as UartFormat

PROFILES = list(catalogue.load_all().values())
SILENCE = Heard(b"", None)
N = Format(9600, "N", 2)


def asked(sweep: Sweep, count: int) -> list[Ask]:
    """Return the first questions to a line on which nobody is."""
    told = []
    for _ in range(count):
        ask = sweep.next()
        assert ask is not None
        told.append(ask)
        sweep.took(ask, SILENCE, 0)
    return told


def truth(line: str) -> set[tuple[object, ...]]:
    """Return who is on a line of the cabinet."""
    return {
        (each.unit_id, each.mode, each.format.baud, each.format.parity)
        for each in CABINET
        if each.line == line
    }


@pytest.mark.parametrize("line", sorted({each.line for each in CABINET}))
def test_everybody_is_found_and_nobody_else(line: str) -> None:
    """Mixed formats and units, RTU and ASCII, some silent to all but their own registers: 20 of 20."""
    scan = swept(Sweep(PROFILES), wire(each for each in CABINET if each.line == line))
    found = {(each.unit_id, each.transmission_mode, each.baud, each.parity) for each in scan.devices}
    assert found == truth(line)
    assert all(each.stop_bits == 1 for each in scan.devices)
    assert scan.outcome == "finished"
    assert scan.minimum_s <= scan.took_s < 1.15 * scan.minimum_s


def test_the_likeliest_is_asked_first() -> None:
    """9600 8N, unit 1; and within the first seconds the other speeds' unit 1 as well."""
    first = asked(Sweep(PROFILES), 60)
    assert (first[0].format, first[0].unit_id) == (N, 1)
    assert {ask.format.baud for ask in first if ask.unit_id == 1} >= {4800, 9600, 19_200, 115_200}


def test_nothing_is_asked_twice_and_the_end_comes() -> None:
    """On a line on which nobody is."""
    sweep = Sweep(PROFILES, effort=Effort.QUICK)
    told = list(itertools.takewhile(bool, (_next(sweep) for _ in range(100_000))))
    keys = [ask._replace(protocol=RTU) for ask in told if ask]
    assert len(keys) == len(set(keys))
    assert sweep.next() is None
    assert sweep.rest_s == 0


def test_a_find_makes_its_format_and_its_neighbours_likelier() -> None:
    """After unit 20 at 38400 8E1 its neighbours are asked there at once."""
    sweep = Sweep(PROFILES)
    here = Format(38_400, "E")
    while (ask := sweep.next()) is not None and (ask.format, ask.unit_id) != (here, 20):
        sweep.took(ask, SILENCE, 0)
    assert ask is not None
    assert sweep.took(ask, Heard(RTU.framing.framed(20, bytes([ask.data[1] | 0x80, 2])), 0.01), 1.0)
    assert {each.unit_id for each in asked(sweep, 4) if each.format == here} & {19, 21}


def test_who_answers_late_is_found_by_its_frame() -> None:
    """90 ms is three questions later; the frame says whose it is."""
    seats = [Seated("x", unit, "water_gauge", UartFormat(9600), turnaround_ms=90) for unit in (1, 2, 9)]
    scan = swept(Sweep(PROFILES, effort=Effort.QUICK), wire(iter(seats)))
    assert {each.unit_id for each in scan.devices} == {1, 2, 9}
    assert all(each.answer_s == pytest.approx(0.09, abs=0.005) for each in scan.devices)


def test_two_devices_of_one_address_are_told_as_unclear() -> None:
    """Bytes come each time, never a frame."""
    faulty = FaultyWire(addressed_bus(3), 9600)
    sweep = Sweep(PROFILES, units=[3], formats=[Format(9600)])
    port = VirtualPort(faulty, lambda _wire, _now_ns: faulty.prepare(Overlapped()), Format(9600))
    scanner = Scanner("x", sweep, port.s)
    while not scanner.over:
        scanner.slice(port, 60, lambda _: None)
    result = scanner.result()
    assert not result.devices
    assert [each.unit_id for each in result.unclear] == [3]


def test_another_master_ends_it() -> None:
    """Its request comes into our ears, and nothing more is sent."""
    sweep = Sweep(PROFILES)
    ask = sweep.next()
    assert ask is not None
    assert sweep.took(ask, Heard(RTU.framing.framed(9, b"\x03\x00\x00\x00\x0a"), 0.01), 0) is None
    assert sweep.foreign == (9,)
    assert sweep.next() is None


def test_an_echo_that_comes_late_is_no_other_master() -> None:
    """An adapter may hand our own request back when the next one is under way already."""
    sweep = Sweep(PROFILES)
    first, second = sweep.next(), None
    assert first is not None
    sweep.took(first, SILENCE, 0)
    second = sweep.next()
    assert second is not None
    sweep.took(second, Heard(first.data, 0.01), 0)
    assert sweep.foreign == ()
    assert sweep.next() is not None


def test_somebody_who_answers_for_everybody_does_not_keep_it_for_ever() -> None:
    """A converter that gives every answer its own address: it is found once, and the scan ends."""
    sweep = Sweep([], units=range(1, 30), formats=[Format(9600)])
    count = 0
    while (ask := sweep.next()) is not None:
        count += 1
        assert count < 1_000
        answer = ask.protocol.framing.framed(9, b"\x83\x02")  # type: ignore[attr-defined]
        sweep.took(ask, Heard(answer, 0.01), 0)
    assert {each.unit_id for each in sweep.found} == {9}


def test_it_keeps_to_what_it_is_told() -> None:
    """Formats, units, and who is known already."""
    sweep = Sweep(PROFILES, formats=[Format(19_200, "E")], units=[4, 5, 6], known=[(Format(19_200, "E"), 5)])
    told = list(iter(lambda: _next(sweep), None))
    assert {ask.format[:2] for ask in told} == {(19_200, "E")}
    assert {ask.unit_id for ask in told} - {0} == {4, 6}


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0, 1))
def test_whatever_comes_it_ends_and_finds_only_who_answers(random: Random, share: float) -> None:
    """Noise of any kind: it asks within a bound, and what it finds has answered with a sound frame."""
    sweep = Sweep(PROFILES, units=range(1, 12), formats=[Format(9600), Format(9600, "E")])
    sound = count = 0
    while (ask := sweep.next()) is not None:
        count += 1
        assert count < 5_000
        data = random.randbytes(random.randrange(12)) if random.random() < share else b""
        sound += bool(ask.protocol.taken_apart(ask.data, data).answers)
        sweep.took(ask, Heard(data, 0.01 if data else None), 0)
    assert len(sweep.found) <= sound


def _next(sweep: Sweep) -> Ask | None:
    ask = sweep.next()
    if ask is not None:
        sweep.took(ask, SILENCE, 0)
    return ask


def test_devices_that_know_only_their_registers_need_their_own_question() -> None:
    """Without the profiles the taciturn ones stay hidden: what profiles declare is what finds them."""
    line = "supply"
    hidden = {each.unit_id for each in CABINET if each.line == line and each.taciturn}
    found = {each.unit_id for each in swept(Sweep([]), wire(x for x in CABINET if x.line == line)).devices}
    assert found == {each.unit_id for each in CABINET if each.line == line} - hidden
    assert hidden


def test_a_relay_board_that_answers_unit_0_is_found_wherever_it_is() -> None:
    """One question a format, instead of 247."""
    seats = [Seated("x", 211, "waveshare_relay_8", UartFormat(57_600, "O"))]
    scan = swept(Sweep(PROFILES), wire(iter(seats)))
    [found] = scan.devices
    assert (found.unit_id, found.baud, found.parity) == (211, 57_600, "O")
