"""The Modbus driver with the shipped profiles, over a virtual wire: reads, writes, failures."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from contract.samples import Quality, Value
from device_profiles.catalogue import load_all
from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.drivers.modbus import Device, ModbusDevice
from edge.drivers.modbus_plan import USUAL_COST, Block
from edge.lines.crc import framed
from edge.lines.line import LineError, Outcome, Request, WireCost
from simulators.bus import Bus
from simulators.devices import Device as SimulatedDevice
from simulators.devices import ProfileDevice
from simulators.relay_board import RelayBoard
from simulators.virtual_loop import run_virtually
from tests.edge.support import read_all, strict_wire, virtual_line

PROFILES = load_all()
BAUD = 9600
KPA = 0x13
"""Code of the unit register of the QDY30A; the other devices have none."""

DUST: dict[str, Value] = {
    "wind_speed": 2.1,
    "wind_force": 1,
    "wind_sector": 2,
    "wind_direction": 110,
    "humidity": 55.0,
    "temperature": -1.0,
    "noise": 58.3,
    "pm2_5": 61,
    "pm10": 152,
    "tsp": 201,
    "pressure": 101.3,
}


class HeardLine:
    """A line that also keeps what was asked, as frames."""

    def __init__(self, bus: Bus) -> None:
        """Put a virtual line before a bus."""
        self.name = "bus"
        self.frames: list[bytes] = []
        self._line = virtual_line(strict_wire(bus, BAUD), BAUD)

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        self.frames.append(framed(request.unit_id, request.pdu))
        return await self._line.transact(request)

    async def close(self) -> None:
        """See Line."""
        await self._line.close()

    @property
    def cost(self) -> WireCost:
        """See Line."""
        return self._line.cost


class Answering:
    """A line whose answers are given beforehand, for answers that no sound device gives."""

    name = "given"

    def __init__(self, *pdus: bytes | LineError) -> None:
        """Keep the answers, first to last."""
        self._pdus = list(pdus)

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        answer = self._pdus.pop(0)
        return Outcome(None, answer, 0) if isinstance(answer, LineError) else Outcome(answer, None, 0)

    async def close(self) -> None:
        """See Line."""

    @property
    def cost(self) -> WireCost:
        """See Line."""
        return USUAL_COST


def device(profile: Profile, line: HeardLine | Answering, points: tuple[str, ...] = ()) -> ModbusDevice:
    """Return the driver of unit 1; without ``points`` all are wanted."""
    return ModbusDevice(Device("device", 1, profile, points or tuple(profile.names), 0.3), line)


def meet(
    profile: Profile,
    simulated: SimulatedDevice,
    play: Callable[[ModbusDevice, HeardLine, Bus], Awaitable[None]],
) -> None:
    """Let the driver meet a simulated device at unit 1, on virtual time."""

    async def main() -> None:
        bus = Bus()
        bus.add(simulated, 1)
        line = HeardLine(bus)
        await play(device(profile, line), line, bus)

    run_virtually(main())


def values(readings: Mapping[str, Reading]) -> dict[str, Value]:
    """Return the plain values."""
    return {name: reading.value for name, reading in readings.items()}


def test_the_dust_station_is_read_with_the_vendors_frame() -> None:
    """One request for eleven values."""
    profile = PROFILES["renke_dust"]

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        assert values(await read_all(driver)) == DUST
        assert line.frames == [bytes.fromhex("01 03 01 F4 00 0B 44 03")]

    meet(profile, ProfileDevice("dust", profile, DUST), play)


@pytest.mark.parametrize(
    ("profile_id", "given"),
    [
        ("qdy30a", {"pressure": 12.34}),
        ("wt901c485", {"roll": 3.0, "pitch": -4.0, "yaw": 90.0}),
        ("water_gauge", {"level": 31}),
    ],
)
def test_shipped_profiles_read_what_a_perfect_reader_would(profile_id: str, given: dict[str, Value]) -> None:
    """The simulated device says what its registers mean, derived quantities included."""
    profile = PROFILES[profile_id]
    simulated = ProfileDevice("device", profile, given, decimals=2, unit_code=KPA)

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        readings = await read_all(driver)
        for name, truth in simulated.readings().items():
            assert readings[name] == truth
        for name, value in given.items():
            assert readings[name].value == pytest.approx(value, abs=0.003)

    meet(profile, simulated, play)


def test_only_wanted_points_are_read() -> None:
    """And what a derived quantity is made of, which is not told."""

    async def main() -> None:
        line = HeardLine(Bus())
        assert device(PROFILES["renke_dust"], line, ("pm10",)).plan == [Block("holding_register", 0x01FC, 1)]
        tilt = device(PROFILES["wt901c485"], line, ("inclination",))
        assert tilt.plan == [Block("holding_register", 0x3D, 2)]
        assert list(tilt.readings([], {})) == ["inclination"]

    run_virtually(main())


def test_a_dead_device_gives_bad_readings_with_the_reason() -> None:
    """A failed read is data."""
    profile = PROFILES["renke_dust"]

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        bus.set_alive("dust", False)
        readings = await read_all(driver)
        assert set(readings) == set(DUST)
        assert set(readings.values()) == {Reading(None, Quality.BAD, "timeout")}
        assert await driver.read_points(["pm10"]) == {"pm10": Reading(None, Quality.BAD, "timeout")}

    meet(profile, ProfileDevice("dust", profile, DUST), play)


def mixed(*places: tuple[str, str, int], derived: tuple[str, ...] = ()) -> Profile:
    """Return a profile whose points (name, table, address) each need a request of their own."""
    title = {"en": "point", "zh": "点"}
    points = [
        {
            "name": name,
            "title": title,
            "table": table,
            "address": address,
            "type": "bool" if table == "coil" else "i16",
            "unit": "deg",
        }
        for name, table, address in places
    ]
    entry = {"name": "angle", "title": title, "function": "inclination", "of": list(derived), "unit": "deg"}
    return Profile.model_validate(
        {
            "schema": 1,
            "id": "mixed",
            "title": title,
            "vendor": "none",
            "models": ["none"],
            "document": "points for a test",
            "points": points,
            "derived": [entry] if derived else [],
        }
    )


def test_a_failed_block_harms_only_its_own_points_and_each_has_its_own_reason() -> None:
    """Four requests: two fail in different ways, two bring values."""
    profile = mixed(
        ("door", "coil", 0),
        ("roll", "holding_register", 0),
        ("pitch", "holding_register", 500),
        ("level", "input_register", 0),
        derived=("roll", "pitch"),
    )

    async def main() -> None:
        line = Answering(b"\x01\x01\x01", b"\x03\x02\x00\x07", LineError.GARBLED, b"\x84\x06")
        readings = await read_all(device(profile, line))
        assert readings == {
            "door": Reading(True),
            "roll": Reading(7),
            "pitch": Reading(None, Quality.BAD, "garbled"),
            "level": Reading(None, Quality.BAD, "server_device_busy"),
            "angle": Reading(None, Quality.BAD, "garbled"),
        }

    run_virtually(main())


def test_a_failed_decimals_register_is_the_reason_for_its_point() -> None:
    """The value came, what it means did not."""
    plain = PROFILES["qdy30a"].model_dump(by_alias=True)
    plain["modbus"] = {"hole_registers_max": 0}
    plain["points"] = [dict(plain["points"][0], address=10)]
    profile = Profile.model_validate(plain)

    async def main() -> None:
        line = Answering(LineError.TIMEOUT, b"\x03\x02\x00\x07", LineError.TIMEOUT, b"\x03\x02\x00\x07")
        driver = device(profile, line)
        assert [(block.address, block.count) for block in driver.plan] == [(2, 2), (10, 1)]
        expected = {"pressure": Reading(None, Quality.BAD, "timeout")}
        assert await read_all(driver) == expected
        assert await driver.read_points(["pressure"]) == expected

    run_virtually(main())


def test_an_answer_of_the_wrong_length_is_a_bad_reading() -> None:
    """The line lets it through where it has no length of its own to check."""

    async def main() -> None:
        readings = await read_all(device(PROFILES["water_gauge"], Answering(b"\x03\x04\x00\x07")))
        assert readings == {"level": Reading(None, Quality.BAD, "wrong_length")}

    run_virtually(main())


def test_a_relay_is_switched_with_the_vendors_frames() -> None:
    """On, off, and on with its own timer of 0.7 s; the board does what they say."""
    board = RelayBoard("board")

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        assert await driver.write("relay_1", True) == ""
        assert values(await driver.read_points(["relay_1"])) == {"relay_1": True}
        assert await driver.write("relay_1", False) == ""
        assert values(await driver.read_points(["relay_1"])) == {"relay_1": False}
        assert await driver.write("relay_1", True, self_off_s=0.7) == ""
        assert values(await read_all(driver)) == {f"relay_{n}": n == 1 for n in range(1, 9)}
        written = [frame for frame in line.frames if frame[1] == 5]
        assert written == [
            bytes.fromhex("01 05 00 00 FF 00 8C 3A"),
            bytes.fromhex("01 05 00 00 00 00 CD CA"),
            bytes.fromhex("01 05 02 00 00 07 8D B0"),
        ]
        assert line.frames[-1] == bytes.fromhex("01 01 00 00 00 08 3D CC")
        assert board.relays(10**12) == [False] * 8

    meet(PROFILES["waveshare_relay_8"], board, play)


@pytest.mark.parametrize(("asked_s", "steps"), [(0.7, 7), (0.75, 7), (0.799, 7), (0.01, 1), (3276.7, 0x7FFF)])
def test_the_devices_timer_is_never_set_longer_than_asked(asked_s: float, steps: int) -> None:
    """It backs the longest run; only below its first step there is no shorter one."""

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        await driver.read_points(["relay_8"])  # shows the line that its adapter does not echo
        assert await driver.write("relay_8", True, self_off_s=asked_s) == ""
        assert line.frames[-1][:6] == bytes([1, 5, 2, 7, steps >> 8, steps & 0xFF])

    meet(PROFILES["waveshare_relay_8"], RelayBoard("board"), play)


@pytest.mark.parametrize("asked_s", [0, -1, 3276.8, 1e9])
def test_a_time_that_the_devices_timer_cannot_keep_sends_nothing(asked_s: float) -> None:
    """Better not on than on without an end."""

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        assert await driver.write("relay_1", True, self_off_s=asked_s) == "value_does_not_fit"
        assert line.frames == []

    meet(PROFILES["waveshare_relay_8"], RelayBoard("board"), play)


def test_switching_off_needs_no_timer() -> None:
    """A plain off is sent, whatever timer stands beside it."""

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        await driver.read_points(["relay_2"])
        assert await driver.write("relay_2", False, self_off_s=5) == ""
        assert line.frames[1:] == [bytes.fromhex("01 05 00 01 00 00 9C 0A")]

    meet(PROFILES["waveshare_relay_8"], RelayBoard("board"), play)


@pytest.mark.parametrize(
    ("profile_id", "point", "value", "error"),
    [
        ("waveshare_relay_8", "relay_1", 1, "value_does_not_fit"),
        ("waveshare_relay_8", "relay_1", "on", "value_does_not_fit"),
        ("waveshare_relay_8", "relay_1", None, "value_does_not_fit"),
        ("waveshare_relay_8", "relay_9", True, "not_writable"),
        ("renke_dust", "pm10", 5, "not_writable"),
        ("wt901c485", "inclination", 5.0, "not_writable"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_sent(
    profile_id: str, point: str, value: Value, error: str
) -> None:
    """By name: a value of the wrong kind, a point that is not writable, not there, or derived."""

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        assert await driver.write(point, value) == error
        assert line.frames == []

    meet(PROFILES[profile_id], RelayBoard("board"), play)


@pytest.mark.parametrize(
    ("value", "error"), [(40_000, "value_does_not_fit"), (1e300, "value_does_not_fit"), (40, "")]
)
def test_a_number_must_fit_its_register(value: Value, error: str) -> None:
    """An int16, written and read back; beyond it nothing is sent."""
    plain = PROFILES["water_gauge"].model_dump(by_alias=True)
    plain["points"] = [dict(plain["points"][0], writable=True, type="i16")]
    profile = Profile.model_validate(plain)

    async def play(driver: ModbusDevice, line: HeardLine, bus: Bus) -> None:
        assert await driver.write("level", value) == error
        assert values(await driver.read_points(["level"])) == {"level": 7 if error else value}

    meet(profile, ProfileDevice("gauge", profile, {"level": 7}), play)


def test_a_point_whose_decimals_the_device_tells_is_not_written() -> None:
    """Without them any value would be a guess."""
    plain = PROFILES["qdy30a"].model_dump(by_alias=True)
    plain["points"] = [dict(plain["points"][0], writable=True)]

    async def main() -> None:
        assert await device(Profile.model_validate(plain), Answering()).write("pressure", 5) == "not_writable"

    run_virtually(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (LineError.TIMEOUT, "timeout"),
        (LineError.UNAVAILABLE, "line_unavailable"),
        (b"\x85\x04", "server_device_failure"),
        (b"\x85\x63", "exception_99"),
        (b"\x05\x00\x00\x00\x00", "wrong_echo"),
        (b"\x05\x00\x01\xff\x00", "wrong_echo"),
    ],
)
def test_a_write_that_is_not_confirmed_has_an_error(answer: bytes | LineError, error: str) -> None:
    """Only the echo of what was written is a success."""

    async def main() -> None:
        driver = device(PROFILES["waveshare_relay_8"], Answering(answer))
        assert await driver.write("relay_1", True) == error

    run_virtually(main())
