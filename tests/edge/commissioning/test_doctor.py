"""What the doctor says of every fault that the simulators can play."""

from functools import cache

import pytest

from bench.commissioning.ailments import LINE, ailments, expected, misset
from bench.commissioning.virtual import Nobody, VirtualPort
from edge.commissioning import causes
from edge.commissioning.causes import WEIGHTS, Cause, diagnosed
from edge.commissioning.doctoring import examined
from edge.commissioning.symptoms import Evidence, Symptom, symptoms

AILMENTS = {each.name: each for each in ailments()}


@cache
def evidence(name: str) -> Evidence:
    """Return what an examination brings; all tests look at the same."""
    return AILMENTS[name].examination(1)


@pytest.mark.parametrize("name", AILMENTS)
def test_the_true_cause_is_among_the_first_two(name: str) -> None:
    """One seed here; the benchmark has five."""
    told = diagnosed(symptoms(evidence(name)))
    assert AILMENTS[name].cause in [each.cause for each in told.causes[:2]]


def test_the_faults_bring_every_symptom_that_a_wire_can_show() -> None:
    """A symptom that no fault shows is one that nobody has tested."""
    shown = {symptom.kind for each in AILMENTS.values() for symptom in symptoms(evidence(each.name))}
    assert set(WEIGHTS) - shown == {
        "port_missing",
        "port_busy",
        "adapter_keeps_back",
        "frames_unasked",
    }


def test_a_doctor_who_looks_at_nothing_is_seldom_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with every symptom speaking alike for every cause it names, the table fails."""
    blind = {kind: dict.fromkeys(Cause, 1.0) for kind in WEIGHTS}
    monkeypatch.setattr(causes, "WEIGHTS", blind)
    right = sum(
        each.cause in [likely.cause for likely in diagnosed(symptoms(evidence(each.name))).causes[:2]]
        for each in AILMENTS.values()
    )
    assert right < len(AILMENTS) / 3


def test_a_line_that_is_well_is_left_alone() -> None:
    """No symptom, no cause."""
    told = diagnosed(symptoms(misset()(1)))
    assert told.is_well
    assert told.causes == []


def test_it_says_when_the_bytes_do_not_tell() -> None:
    """Noise and a missing termination look alike; a device found at another speed does not."""
    assert not diagnosed(symptoms(evidence("bits flip"))).clear
    assert diagnosed(symptoms(evidence("all run at 4800"))).clear


def test_a_port_that_cannot_be_opened_is_the_whole_story() -> None:
    """Nothing else is guessed."""
    gone = Evidence(LINE, "rtu", port_error="[Errno 2] could not open port /dev/ttyUSB7")
    assert [each.cause for each in diagnosed(symptoms(gone)).causes] == [Cause.PORT_MISSING]
    held = Evidence(LINE, "rtu", port_error="Could not exclusively lock port /dev/ttyUSB0")
    assert [each.cause for each in diagnosed(symptoms(held)).causes] == [Cause.PORT_BUSY]


def test_ten_silent_units_are_one_cut_wire() -> None:
    """Units do not add up: what speaks for a cause is the worst of them."""
    few = diagnosed([Symptom("silent", unit, 1.0) for unit in range(1, 3)])
    many = diagnosed([Symptom("silent", unit, 1.0) for unit in range(1, 11)])
    assert few.causes[0].weight == many.causes[0].weight
    assert many.causes[0].units == list(range(1, 11))


def test_an_adapter_that_keeps_bytes_back_is_told() -> None:
    """16 ms is what FTDI's do unless somebody lowers it."""
    port = VirtualPort(Nobody())
    evidence = examined(port, LINE, "rtu", [], clock_s=port.s, latency_ms=16, listen=False)
    assert diagnosed(symptoms(evidence)).causes[0].cause == Cause.SLOW_ADAPTER
    assert len(expected()) == 3
