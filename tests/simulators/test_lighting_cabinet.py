"""The shipped lighting cabinet on its line: relays feed lamps, inputs and meter tell of it, things happen."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from contract.samples import Value
from device_profiles import catalogue, codec
from simulators import cabinet_file
from simulators.cabinet import Cabinet
from tests.vector_files import crc16
from toml_files import TomlFileError

SECOND = 1_000_000_000
LAMPS = range(11, 19)
NORTH, SOUTH = range(11, 15), range(15, 19)
RELAYS, INPUTS, METER, LIGHT = 1, 2, 3, 4
PROFILES = catalogue.load_all()
TEXT = (cabinet_file.SHIPPED / "lighting.toml").read_text()


def frame(text: str) -> bytes:
    """Return a frame of hexadecimal bytes, to which the CRC is added."""
    data = bytes.fromhex(text)
    return data + crc16(data)


class Street:
    """A master before the cabinet's line, with a clock of its own."""

    def __init__(self, tmp_path: Path, story: Iterable[tuple[float, str, str]] = ()) -> None:
        """Play the shipped cabinet with another story."""
        told = "".join(
            f'[[story]]\nat_s = {at_s}\nwhat = "{what}"\ndevice = "{device}"\n'
            for at_s, what, device in story
        )
        path = tmp_path / "lighting.toml"
        path.write_text(TEXT[: TEXT.index("[[story]]")] + told)
        self.cabinet = Cabinet(cabinet_file.load(str(path)))
        self.bus = self.cabinet.buses["rs485-1"]
        self.now_s = 0.0

    def at(self, now_s: float) -> "Street":
        """Let it become so late."""
        assert now_s >= self.now_s
        self.now_s = now_s
        return self

    def ask(self, text: str) -> bytes | None:
        """Send a request; the answer."""
        return self.bus.answer(frame(text), round(self.now_s * SECOND))

    def relay(self, number: int, on: bool) -> None:
        """Switch a relay."""
        assert self.ask(f"{RELAYS:02X} 05 00 {number - 1:02X} {'FF' if on else '00'} 00")

    def level(self, unit_id: int, percent: int) -> bytes | None:
        """Command a lamp, or with unit 0 all lamps."""
        return self.ask(f"{unit_id:02X} 06 50 00 00 {percent:02X}")

    def lamp(self, unit_id: int) -> dict[str, Value]:
        """Read all that a lamp's controller says; nothing where it is silent."""
        answer = self.ask(f"{unit_id:02X} 03 50 00 00 10")
        if answer is None:
            return {}
        registers = {
            ("holding_register", 0x5000 + index): int.from_bytes(answer[3 + 2 * index : 5 + 2 * index])
            for index in range(16)
        }
        profile = PROFILES["street_lamp_controller"]
        return {name: it.value for name, it in codec.readings(profile, registers, profile.names).items()}  # type: ignore[arg-type]

    def inputs(self) -> set[int]:
        """Read which digital inputs are on."""
        answer = self.ask(f"{INPUTS:02X} 02 00 00 00 08")
        assert answer is not None
        return {number for number in range(1, 9) if answer[3] >> number - 1 & 1}

    def meter(self) -> dict[str, float]:
        """Read the meter as a perfect reader does."""
        values = self.cabinet.truth(round(self.now_s * SECOND))["values"]
        own = {name.removeprefix("meter/"): value for name, value in values.items()}
        return {name: value for name, value in own.items() if isinstance(value, int | float)}

    def lit(self) -> dict[int, Value]:
        """Read the levels of the lamps that answer."""
        found = {unit_id: self.lamp(unit_id) for unit_id in LAMPS}
        return {unit_id: values["actual_light_state"] for unit_id, values in found.items() if values}


def test_by_day_the_circuits_are_dead_and_at_dusk_relays_bring_the_lamps_up(tmp_path: Path) -> None:
    """Silent without supply, controllers boot and come up at their default; inputs show the contactors."""
    street = Street(tmp_path)
    assert (street.at(5).lit(), street.inputs()) == ({}, set())
    street.relay(1, on=True)
    assert street.at(5.3).lit() == {}, "they boot"
    assert street.at(6).lit() == dict.fromkeys(NORTH, 100)
    assert street.inputs() == {3}
    street.relay(2, on=True)
    assert street.at(7).lit() == dict.fromkeys(LAMPS, 100)
    assert street.inputs() == {3, 5}
    street.relay(1, on=False)
    assert street.at(8).lit() == dict.fromkeys(SOUTH, 100)


def test_a_broadcast_dims_all_lamps_and_nobody_answers(tmp_path: Path) -> None:
    """Only those that have their supply; the other devices of the line are as before."""
    street = Street(tmp_path, [(10, "lamp_mute", "lamp-12"), (30, "lamp_repaired", "lamp-12")])
    street.relay(1, on=True)
    street.at(9).relay(2, on=True)
    inputs = street.at(20).inputs()
    assert street.level(0, 40) is None
    assert street.at(21).lit() == {unit_id: 40 for unit_id in LAMPS if unit_id != 12}
    assert street.inputs() == inputs
    street.relay(2, on=False)
    assert street.level(0, 70) is None
    assert street.at(22).lit() == {11: 70, 13: 70, 14: 70}
    street.relay(2, on=True)
    assert street.at(23).lit() == {11: 70, 13: 70, 14: 70} | dict.fromkeys(SOUTH, 100)
    assert street.lamp(15)["supply_loss_count"] == 1
    assert street.at(31).lit()[12] == 100, "the mute did not hear it either"


def test_levels_above_100_are_refused(tmp_path: Path) -> None:
    """With nothing written; registers that cannot be written refuse as well."""
    street = Street(tmp_path)
    street.relay(1, on=True)
    assert street.at(5).level(11, 101) == frame("0B 86 03")
    assert street.ask("0B 10 50 00 00 02 04 00 32 00 65") == frame("0B 90 03")
    assert street.ask("0B 06 50 02 00 32") == frame("0B 86 02")
    values = street.lamp(11)
    assert (values["target_light_command"], values["default_light_state"]) == (100, 100)
    assert street.ask("0B 10 50 00 00 02 04 00 32 00 14") == frame("0B 10 50 00 00 02")
    assert street.at(6).lit()[11] == 50
    street.relay(1, on=False)
    street.at(7).relay(1, on=True)
    assert street.at(8).lit()[11] == 20


def test_the_meter_shows_what_the_circuits_draw(tmp_path: Path) -> None:
    """Each phase the sum of its lamps, in watts and amperes; energy adds up with the lamps' own."""
    street = Street(tmp_path)
    assert street.at(3).meter()["power"] == 0
    street.relay(1, on=True)
    street.relay(2, on=True)
    street.at(4).level(0, 60)
    lamps = {unit_id: street.at(3600).lamp(unit_id) for unit_id in LAMPS}
    phases = dict(zip(LAMPS, (1, 2, 3, 1, 2, 3, 1, 2), strict=True))
    meter = street.meter()

    def total(point: str, phase: int) -> float:
        return sum(float(lamps[unit_id][point] or 0) for unit_id in LAMPS if phases[unit_id] == phase)

    for phase in (1, 2, 3):
        assert meter[f"power_l{phase}"] == pytest.approx(total("active_power", phase), rel=0.002)
        # Lamps of two kinds differ a little in power factor, so their currents are not quite in phase.
        assert meter[f"current_l{phase}"] == pytest.approx(total("supply_current", phase), rel=0.005)
        assert meter[f"voltage_l{phase}"] == pytest.approx(230, abs=3)
    assert meter["power"] == pytest.approx(sum(meter[f"power_l{phase}"] for phase in (1, 2, 3)), rel=1e-5)
    energy = sum(float(values["active_energy"] or 0) for values in lamps.values())
    assert meter["energy_import"] == pytest.approx(energy, abs=0.005)
    assert 0.3 < energy < 0.84 * 0.6 * 1.1


def test_the_switch_at_local_keeps_relays_from_moving_contactors(tmp_path: Path) -> None:
    """The board takes the command, reads back as switched, and nothing happens in the street."""
    story = [
        (10, "local_override_on", "meter"),
        (30, "local_override_off", "meter"),
        (40, "door_opens", "inputs"),
    ]
    street = Street(tmp_path, [*story, (50, "door_closes", "meter")])
    street.relay(1, on=True)
    assert street.at(11).inputs() == {2, 3}
    street.relay(1, on=False)
    street.relay(2, on=True)
    assert street.at(20).lit() == dict.fromkeys(NORTH, 100)
    assert street.inputs() == {2, 3}
    assert street.ask("01 01 00 00 00 08") == frame("01 01 01 02")
    assert street.at(32).lit() == dict.fromkeys(SOUTH, 100), "back at remote the relays have their way"
    assert street.inputs() == {5}
    assert street.at(41).inputs() == {1, 5}
    assert street.at(51).inputs() == {5}


def test_a_breaker_that_trips_leaves_its_contactor_closed_and_its_lamps_dead(tmp_path: Path) -> None:
    """Until somebody resets it."""
    street = Street(tmp_path, [(10, "breaker_trips", "north"), (20, "breaker_reset", "north")])
    street.relay(1, on=True)
    assert street.at(5).lit() == dict.fromkeys(NORTH, 100)
    assert (street.at(11).lit(), street.inputs(), street.meter()["power"]) == ({}, {3, 4}, 0)
    assert (street.at(21).lit(), street.inputs()) == (dict.fromkeys(NORTH, 100), {3})


def test_a_contactor_that_sticks_stays_where_it_is(tmp_path: Path) -> None:
    """Closed, its lamps burn on; the feedback says so, whatever the relay reads."""
    street = Street(tmp_path, [(10, "contactor_sticks", "north"), (20, "contactor_repaired", "north")])
    street.relay(1, on=True)
    street.at(11).relay(1, on=False)
    assert (street.at(15).lit(), street.inputs()) == (dict.fromkeys(NORTH, 100), {3})
    assert (street.at(21).lit(), street.inputs()) == ({}, set())


def test_what_happens_to_lamps_shows_in_what_they_draw_and_say(tmp_path: Path) -> None:
    """Each in its own way; all are repaired in the end."""
    happenings = [
        "lamp_fails",
        "lamp_sticks_on",
        "lamp_dims_wrong",
        "lamp_draws_much",
        "lamp_draws_little",
        "lamp_mute",
        "lamp_cycles",
        "lamp_leaks",
    ]
    story = [(10.0, what, f"lamp-{unit_id}") for unit_id, what in zip(LAMPS, happenings, strict=False)]
    street = Street(tmp_path, [*story, *[(100.0, "lamp_repaired", f"lamp-{unit_id}") for unit_id in LAMPS]])
    street.relay(1, on=True)
    street.at(2).relay(2, on=True)
    street.at(5).level(0, 50)
    street.at(30).level(12, 0)
    found = {unit_id: street.at(50).lamp(unit_id) for unit_id in LAMPS}
    assert found[11]["actual_light_state"] == 0
    assert found[11]["active_power"] == 1.2
    assert (found[11]["lamp_failure"], found[12]["relay_failure"], found[13]["dimming_failure"]) == (
        True,
    ) * 3
    assert (found[17]["cycling_failure"], found[18]["leakage_detected"]) == (True, True)
    assert [found[unit_id]["actual_light_state"] for unit_id in (12, 13, 14, 15, 17)] == [50, 100, 50, 50, 50]
    watts = {unit_id: found[unit_id]["active_power"] for unit_id in (14, 15, 17)}
    usual = {14: 120, 15: 90, 17: 90}
    part = 0.08 + 0.92 * 0.5**1.1
    factors = {14: 1.5, 15: 0.55, 17: 1}
    assert watts == pytest.approx({key: usual[key] * part * factors[key] for key in watts}, abs=0.06)
    assert found[16] == {}
    assert {name for values in found.values() for name, value in values.items() if value is True} == {
        "lamp_failure",
        "relay_failure",
        "dimming_failure",
        "cycling_failure",
        "leakage_detected",
    }
    repaired = {unit_id: street.at(101).lamp(unit_id) for unit_id in LAMPS}
    assert [values["actual_light_state"] for values in repaired.values()] == [50, 0, 50, 50, 50, 50, 50, 50]
    assert not any(value is True for values in repaired.values() for value in values.values())


def test_the_shipped_story(tmp_path: Path) -> None:
    """Lamp 14 fails at 60 s, its controller says so ten seconds later; the sky is dark and grows light."""
    street = Street(tmp_path)
    street.cabinet = Cabinet(cabinet_file.load("lighting"))
    street.bus = street.cabinet.buses["rs485-1"]
    street.relay(1, on=True)
    assert street.at(59).lit() == dict.fromkeys(NORTH, 100)
    assert (street.at(65).lamp(14)["actual_light_state"], street.lamp(14)["lamp_failure"]) == (0, False)
    assert street.at(71).lamp(14)["lamp_failure"] is True
    assert street.ask("04 03 00 02 00 02") == frame("04 03 04 00 00 00 01"), "a thousandth of a lux"
    answer = street.at(8 * 3600).ask("04 03 00 02 00 02")
    assert answer is not None
    assert int.from_bytes(answer[3:7]) > 1000 * 1000


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"lamp-12", ', '"lamp-21", ', "'lamp-21' is no device with the points active_energy"),
        ('["lamp-15"', '["lamp-11"', "'lamp-11' has physics already; give each device one"),
        ('["lamp-15"', '["meter"', "circuits[1].lamps[0]: 'meter' is no lamp; name a device of profile"),
        (
            '"relays/relay_2"',
            '"relay/relay_2"',
            "circuits[1].contactor: 'relay/relay_2' is no output of this",
        ),
        ('"inputs/input_6"', '"lamp-11/input_6"', "'lamp-11' is no device with the points input_6"),
        ('"inputs/input_6"', '"inputs/input_9"', "circuits[1].breaker"),
        ('name = "south"', 'name = "north"', "circuits[1].name: north is taken"),
        ("[2, 3, 1]", "[2, 3, 4]", "circuits[1].phases[2]: must be at most 3"),
        ('device = "lamp-14"', 'device = "south"', "'south' is no device with physics of kind lamps"),
        (
            'what = "lamp_fails"',
            'what = "breaker_trips"',
            "'lamp-14' is no circuit with physics of kind lamps, so",
        ),
        ('what = "lamp_fails"', 'what = "breaker_trips"', "name one that is: north, south"),
        (
            'what = "lamp_fails"',
            'value = 3\nwhat = "lamp_fails"',
            "story[0].value: means nothing for lamp_fails",
        ),
        (
            'unit_id = 11\nprofile = "street_lamp_controller"',
            'unit_id = 11\nprofile = "street_lamp_controller"\nvalues = { active_power = 3 }',
            "'lamp-11' has values, and what a lamp holds comes from here",
        ),
    ],
)
def test_mistakes_in_a_lighting_cabinet_are_told(tmp_path: Path, before: str, after: str, told: str) -> None:
    """By key, with what to do."""
    path = tmp_path / "cabinet.toml"
    assert before in TEXT
    path.write_text(TEXT.replace(before, after))
    with pytest.raises(TomlFileError) as caught:
        cabinet_file.load(str(path))
    assert told in str(caught.value)
