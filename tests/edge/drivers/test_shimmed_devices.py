"""Devices that depart from their document on the wire: read with their shim, and not without it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from contract.samples import Value, spread
from device_profiles.catalogue import load_all
from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.drivers.modbus import Device, ModbusDevice
from edge.lines.line import Outcome, Request
from edge.polling import LinePoller, Polled, Stamps
from firmware_shims.catalogue import applied
from simulators.bus import Bus
from simulators.devices import Device as SimulatedDevice
from simulators.devices import ProfileDevice
from simulators.odd_devices import LateRefuser, RelayOrders, Relays0100, Sleeper, Twin
from simulators.virtual_loop import run_virtually
from tests.edge.support import read_all, strict_wire, virtual_line
from tests.edge.virtual_gateway import LoopClock

PROFILES = load_all()
BAUD = 9600
TIMEOUT_S = 0.5
SHT = {"temperature": 21.5, "humidity": 40.0}
METER = {"voltage_l1": 230.5, "voltage_l2": 231.25, "frequency": 50.0, "power": 1500.0}

Play = Callable[[ModbusDevice], Awaitable[None]]


def shimmed(profile_id: str, *shims: str) -> Profile:
    """Return a shipped profile with shims."""
    return applied(PROFILES[profile_id], shims)


def meet(simulated: SimulatedDevice, profile: Profile, play: Play, pause_s: float = 0) -> list[Request]:
    """Let a driver with that profile meet the device at unit 1, on virtual time; return what was asked."""
    asked: list[Request] = []

    async def main() -> None:
        bus = Bus()
        bus.add(simulated, 1)
        line = virtual_line(strict_wire(bus, BAUD), BAUD)
        transact = line.transact

        async def heard(request: Request) -> Outcome:
            asked.append(request)
            return await transact(request)

        line.transact = heard  # type: ignore[method-assign]
        device = Device("device", 1, profile, tuple(profile.names), TIMEOUT_S, pause_s)
        await play(ModbusDevice(device, line))

    run_virtually(main())
    return asked


def values(readings: dict[str, Reading]) -> dict[str, Value]:
    """Return the plain values."""
    return {name: reading.value for name, reading in readings.items()}


def outcome(simulated: SimulatedDevice, profile: Profile, names: dict[str, float]) -> dict[str, Reading]:
    """Return what the driver makes of some points of a device."""
    found: dict[str, Reading] = {}

    async def play(driver: ModbusDevice) -> None:
        found.update(await read_all(driver))

    meet(simulated, profile, play)
    return {name: found[name] for name in names}


@pytest.mark.parametrize(
    ("profile_id", "shims", "functions", "given"),
    [
        ("xy_md02", ["xy_md02_fc03"], (3, 6), SHT),
        ("xy_md02", ["xy_md02_from_0"], (4,), SHT),
        ("xy_md02", ["xy_md02_from_0", "xy_md02_fc03", "xy_md02_hundredths"], (3, 6), SHT),
        ("sdm630", ["sdm630_low_word_first"], (3, 4, 16), METER),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else None,
)
def test_twins_are_read_with_their_shims_and_not_without(
    profile_id: str, shims: list[str], functions: tuple[int, ...], given: dict[str, float]
) -> None:
    """The other table, the other base, the other order, the other decimals."""
    real = shimmed(profile_id, *shims)
    with_shims = outcome(Twin("twin", real, given, *functions), real, given)
    assert values(with_shims) == given
    assert not any(reading.error for reading in with_shims.values())
    plain = outcome(Twin("twin", real, given, *functions), PROFILES[profile_id], given)
    assert all(plain[name].value != given[name] for name in given)


def switch_all(board: Relays0100 | RelayOrders, profile: Profile) -> list[list[Value]]:
    """Switch relays 1, 2 and 8 on, then 2 off; return what reads back and what truly is, after each."""
    found: list[list[Value]] = []

    async def play(driver: ModbusDevice) -> None:
        await driver.read_points(["relay_3"])  # shows the line that its adapter does not echo
        for name, on in (("relay_1", True), ("relay_2", True), ("relay_8", True), ("relay_2", False)):
            error = await driver.write(name, on)
            read_back = values(await driver.read_points([name]))[name]
            now_ns = round(asyncio.get_running_loop().time() * 1e9)
            found.append([error, read_back, board.outputs(now_ns)[name]])

    meet(board, profile, play)
    return found


def test_relays_that_want_0100_and_count_from_1_are_switched_with_both_shims() -> None:
    """With one of the two, or none, the board does not do what it was told."""
    both = switch_all(Relays0100("board"), shimmed("relay_board_8", "relay_on_0100", "relay_coils_from_1"))
    assert both == [["", True, True], ["", True, True], ["", True, True], ["", False, False]]
    for shims in ([], ["relay_on_0100"], ["relay_coils_from_1"]):
        board = Relays0100("board")
        found = switch_all(board, shimmed("relay_board_8", *shims))
        assert [truth for *_, truth in found[:3]] != [True] * 3
    ignored = switch_all(Relays0100("board"), shimmed("relay_board_8", "relay_coils_from_1"))
    assert ignored[0] == ["", False, False], "echoed, and nothing moved: only the read-back tells"


def test_relays_that_are_registers_are_switched_with_their_shim() -> None:
    """Plainly asked, the board knows none of it."""
    found = switch_all(RelayOrders("board"), shimmed("relay_board_8", "relay_registers"))
    assert found == [["", True, True], ["", True, True], ["", True, True], ["", False, False]]
    plain = switch_all(RelayOrders("board"), PROFILES["relay_board_8"])
    assert plain[0] == ["illegal_function", None, False]


def sleeper() -> Sleeper:
    """Return a sensor that sleeps after ten seconds."""
    given = {"deep_sleep_timeout": 10, "inclination": 1.25, "temperature": 21.5}
    return Sleeper("sensor", PROFILES["ramses_g2"], given, awake_s=10)


def test_a_sleeping_device_is_read_with_its_shim_and_times_out_without() -> None:
    """Polled each minute: the first request of each poll is lost, whatever it asks."""

    async def play(driver: ModbusDevice) -> None:
        for _ in range(5):
            polls.append(await read_all(driver))
            await asyncio.sleep(60)

    polls: list[dict[str, Reading]] = []
    meet(sleeper(), shimmed("ramses_g2", "ramses_g2_sleeps"), play)
    truth = {"deep_sleep_timeout": 10, "inclination": 1.25, "temperature": 21.5}
    assert [values(poll) for poll in polls] == [truth] * 5

    polls.clear()
    meet(sleeper(), PROFILES["ramses_g2"], play)
    assert [poll["deep_sleep_timeout"].error for poll in polls] == ["timeout"] * 5


@pytest.mark.parametrize(("shims", "qualities"), [(["ramses_g2_sleeps"], {"good"}), ([], {"bad", "good"})])
def test_a_poller_never_counts_a_sleeper_as_failed(shims: list[str], qualities: set[str]) -> None:
    """An hour long: every minute good values, with the shim; without it the first of each poll is bad."""
    found: set[str] = set()

    async def play(driver: ModbusDevice) -> None:
        poller = LinePoller(
            [Polled(driver, 60)],
            LoopClock(),
            Stamps(),
            lambda measured, _: found.update(each.quality.name.lower() for each in spread(measured)),
        )
        polling = asyncio.create_task(poller.run())
        await asyncio.sleep(3600)
        poller.stop()
        await polling

    meet(sleeper(), shimmed("ramses_g2", *shims), play)
    assert found == qualities


def test_a_device_is_woken_once_a_rest_and_not_before_each_request() -> None:
    """Within a poll, and at a fast pace, it is awake."""

    async def play(driver: ModbusDevice) -> None:
        for _ in range(4):
            await read_all(driver)
            await asyncio.sleep(3)

    asked = meet(sleeper(), shimmed("ramses_g2", "ramses_g2_sleeps"), play)
    assert len(asked) == 1 + 4 * 3  # one to wake, then three blocks a poll


def test_a_sleeping_output_is_woken_before_a_command() -> None:
    """A write that is lost would leave the lamp dark."""
    writable = PROFILES["ramses_g2"].model_dump(by_alias=True)
    writable["points"][0]["writable"] = True
    profile = Profile.model_validate(writable).with_modbus(wake_after_s=5)

    async def play(driver: ModbusDevice) -> None:
        assert await driver.write("deep_sleep_timeout", 30) == ""
        assert values(await driver.read_points(["deep_sleep_timeout"])) == {"deep_sleep_timeout": 30}

    meet(Sleeper("sensor", profile, {"deep_sleep_timeout": 10}, awake_s=10), profile, play)


def polls_of_a_late_refuser(profile: Profile) -> list[Reading]:
    """Ask for what is refused late, then for what is there, ten times; return what is there, as read."""
    found: list[Reading] = []

    async def play(driver: ModbusDevice) -> None:
        for _ in range(10):
            await driver.read_points(["cos_phi"])
            reading = (await driver.read_points(["active_power_limit"]))["active_power_limit"]
            while reading.error == "held_back":
                await asyncio.sleep(0.5)
                reading = (await driver.read_points(["active_power_limit"]))["active_power_limit"]
            found.append(reading)

    given = {"active_power_limit": 70}
    meet(LateRefuser("inverter", PROFILES["solaredge_inverter"], given, refusal_delay_s=3.8), profile, play)
    return found


def test_a_late_refusal_is_not_taken_for_the_next_answer() -> None:
    """Without the shim it is, sooner or later: the value that is there reads as refused."""
    patient = polls_of_a_late_refuser(shimmed("solaredge_inverter", "solaredge_late_refusals"))
    assert patient == [Reading(70)] * 10
    plain = polls_of_a_late_refuser(PROFILES["solaredge_inverter"])
    assert "illegal_data_address" in {reading.error for reading in plain}


@pytest.mark.parametrize(
    ("of_profile_s", "of_settings_s", "rest_s"), [(0, 0.2, 0.2), (0.3, 0.2, 0.3), (0, 0, 0)]
)
def test_the_longer_rest_of_profile_and_settings_is_kept(
    of_profile_s: float, of_settings_s: float, rest_s: float
) -> None:
    """Before each request, beyond the line's own silence."""
    profile = PROFILES["water_gauge"].with_modbus(pause_s=of_profile_s)
    times: list[float] = []

    async def play(driver: ModbusDevice) -> None:
        for _ in range(3):
            await read_all(driver)
            times.append(asyncio.get_running_loop().time())

    asked = meet(ProfileDevice("gauge", profile, {"level": 7}), profile, play, of_settings_s)
    assert [request.pause_s for request in asked] == [rest_s] * 3
    assert rest_s <= times[2] - times[1] < rest_s + 0.05
