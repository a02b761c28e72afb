"""Devices answer the frames of their vendors' documents, to the byte."""

import pytest
from pymodbus.framer.rtu import FramerRTU

from contract.samples import Value
from device_profiles import catalogue
from simulators.bus import Bus
from simulators.devices import ProfileDevice
from simulators.relay_board import RelayBoard

SECOND = 1_000_000_000
PROFILES = catalogue.load_all()
MANUAL = {
    "wind_speed": 2.1, "wind_force": 1, "wind_sector": 2, "wind_direction": 110, "humidity": 55.0,
    "temperature": -1.0, "noise": 58.3, "pm2_5": 61, "pm10": 152, "tsp": 201, "pressure": 101.3,
}  # fmt: skip


def frame(text: str) -> bytes:
    """Return a frame of hexadecimal bytes, to which the CRC is added."""
    data = bytes.fromhex(text)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def station() -> Bus:
    """A bus with the dust station of the manual."""
    bus = Bus()
    bus.add(ProfileDevice("station", PROFILES["renke_dust"], MANUAL), 1)
    return bus


def relays() -> Bus:
    """A bus with a relay board."""
    bus = Bus()
    bus.add(RelayBoard("relays"), 1)
    return bus


def test_station_answers_its_manual() -> None:
    """The manual's request gets the manual's bytes."""
    answer = station().answer(bytes.fromhex("01 03 01 F4 00 0B 44 03"), 0)
    assert answer == bytes.fromhex(
        "01 03 16 00 15 00 01 00 02 00 6E 02 26 FF F6 02 47 00 3D 00 98 00 C9 03 F5 C1 42"
    )


@pytest.mark.parametrize("request_hex", ["01 05 00 00 FF 00 8C 3A", "01 05 00 00 00 00 CD CA"])
def test_relay_board_echoes_what_it_switches(request_hex: str) -> None:
    """On and off, as the vendor prints them."""
    request = bytes.fromhex(request_hex)
    assert relays().answer(request, 0) == request


def test_relay_board_tells_its_relays() -> None:
    """The vendor's read: none on, then the first on."""
    bus = relays()
    read = bytes.fromhex("01 01 00 00 00 08 3D CC")
    assert bus.answer(read, 0) == frame("01 01 01 00")
    bus.answer(bytes.fromhex("01 05 00 00 FF 00 8C 3A"), 0)
    assert bus.answer(read, 0) == frame("01 01 01 01")


def test_flashed_relay_goes_off_by_itself() -> None:
    """The vendor's 700 ms pulse is echoed, on for 700 ms to the nanosecond, then off."""
    bus = relays()
    pulse = bytes.fromhex("01 05 02 00 00 07 8D B0")
    read = bytes.fromhex("01 01 00 00 00 08 3D CC")
    assert bus.answer(pulse, SECOND) == pulse
    assert bus.answer(read, SECOND + 699_999_999) == frame("01 01 01 01")
    assert bus.answer(read, SECOND + 700_000_000) == frame("01 01 01 00")


def test_plain_write_ends_a_flash() -> None:
    """A relay switched on for good during its flash stays on."""
    bus = relays()
    bus.answer(frame("01 05 02 03 00 07"), 0)
    bus.answer(frame("01 05 00 03 FF 00"), SECOND // 2)
    assert bus.answer(frame("01 01 00 00 00 08"), 60 * SECOND) == frame("01 01 01 08")


def test_all_relays_at_once() -> None:
    """FC05 at 0x00FF and 0F over all eight."""
    bus = relays()
    every = frame("01 05 00 FF FF 00")
    assert bus.answer(every, 0) == every
    assert bus.answer(frame("01 01 00 00 00 08"), 0) == frame("01 01 01 FF")
    assert bus.answer(frame("01 0F 00 00 00 08 01 A5"), 0) == frame("01 0F 00 00 00 08")
    assert bus.answer(frame("01 01 00 00 00 08"), 0) == frame("01 01 01 A5")


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("01 01 00 00 00 09", "01 81 02"),  # nine of eight relays
        ("01 05 00 08 FF 00", "01 85 02"),
        ("01 05 00 01 01 00", "01 85 03"),  # a value of another vendor's board
        ("01 05 02 00 80 00", "01 85 03"),  # longer than a flash can be
        ("01 03 00 00 00 01", "01 83 01"),
        ("01 0F 00 00 00 08 02 A5 00", "01 8F 03"),  # byte count and count disagree
    ],
)
def test_relay_board_refuses(request_hex: str, answer_hex: str) -> None:
    """With the exception code of the standard."""
    assert relays().answer(frame(request_hex), 0) == frame(answer_hex)


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("01 03 01 F3 00 02", "01 83 02"),  # begins before the map
        ("01 03 01 FE 00 02", "01 83 02"),  # ends behind it
        ("01 04 01 F4 00 01", "01 84 02"),
        ("01 01 00 00 00 01", "01 81 02"),
        ("01 06 01 F4 00 01", "01 86 02"),  # read only
        ("01 10 01 F4 00 01 02 00 01", "01 90 02"),
        ("01 03 01 F4 00 00", "01 83 03"),
        ("01 03 01 F4 00 7E", "01 83 03"),
        ("01 10 01 F4 00 02 02 00 01", "01 90 03"),
        ("01 07", "01 87 01"),
        ("01 2B 0E 01 00", "01 AB 01"),
        ("01 03 01 F4 00 0B 00", "01 83 03"),
    ],
)
def test_station_refuses(request_hex: str, answer_hex: str) -> None:
    """ILLEGAL ADDRESS outside the map, ILLEGAL FUNCTION and ILLEGAL VALUE."""
    assert station().answer(frame(request_hex), 0) == frame(answer_hex)


@pytest.mark.parametrize(
    "data",
    [
        frame("02 03 01 F4 00 0B"),  # nobody's unit id
        bytes.fromhex("01 03 01 F4 00 0B 44 04"),  # wrong CRC
        frame("01 03 01 F4 00 0B") * 2,  # two frames without silence between
        b"",
        b"\x01",
        bytes(300),
    ],
)
def test_bus_stays_silent(data: bytes) -> None:
    """What is no frame for anybody here gets no answer."""
    assert station().answer(data, 0) is None


def test_dead_device_is_silent_until_it_revives() -> None:
    """And nobody else is."""
    bus = station()
    bus.add(RelayBoard("relays"), 2)
    request = bytes.fromhex("01 03 01 F4 00 0B 44 03")
    bus.set_alive("station", False)
    assert bus.answer(request, 0) is None
    assert bus.answer(frame("02 01 00 00 00 01"), 0) is not None
    bus.set_alive("station", True)
    assert bus.answer(request, 0) is not None


def test_broadcast_reaches_everybody_and_nobody_answers() -> None:
    """Only writes, and only the living."""
    bus = Bus()
    boards = [RelayBoard(f"relays-{unit}") for unit in (1, 2, 3)]
    for unit, board in enumerate(boards, start=1):
        bus.add(board, unit)
    bus.set_alive("relays-3", False)
    assert bus.answer(frame("00 05 00 00 FF 00"), 0) is None
    assert bus.answer(frame("00 01 00 00 00 08"), 0) is None
    assert [board.relays(0)[0] for board in boards] == [True, True, False]


def test_transmitter_says_its_unit_and_decimals() -> None:
    """Registers 2 and 3 of a QDY30A tell how to read register 4."""
    bus = Bus()
    device = ProfileDevice("p", PROFILES["qdy30a"], {"pressure": 280.4}, decimals=1, unit_code=0x13)
    bus.add(device, 1)
    assert bus.answer(frame("01 03 00 02 00 03"), 0) == frame("01 03 06 00 13 00 01 0A F4")
    assert device.readings()["pressure"].value == 280.4


@pytest.mark.parametrize(
    ("values", "measured", "code"),
    [({"level": 2.5}, [], 0x11), ({}, ["level"], 0x11), ({"level": 2.5}, ["pressure"], 0x11), ({}, [], 0x13)],
)
def test_transmitter_says_the_unit_of_what_it_measures(
    values: dict[str, Value], measured: list[str], code: int
) -> None:
    """Pressure and level share their registers: the point that has a value decides."""
    bus = Bus()
    device = ProfileDevice("p", PROFILES["qdy30a"], values, measured=measured)
    bus.add(device, 1)
    assert bus.answer(frame("01 03 00 02 00 01"), 0) == frame(f"01 03 02 00 {code:02x}")
    device.set_values({"level": 2.5} if code == 0x11 else {"pressure": 280})
    assert [reading.value for reading in device.readings().values()] == [2.5 if code == 0x11 else 280]


def test_writable_points_of_a_profile_are_written() -> None:
    """FC05 and 0F on a board that is simulated from its profile."""
    bus = Bus()
    bus.add(ProfileDevice("relays", PROFILES["waveshare_relay_8"], {"relay_2": True}), 1)
    assert bus.answer(frame("01 05 00 00 FF 00"), 0) == frame("01 05 00 00 FF 00")
    assert bus.answer(frame("01 01 00 00 00 08"), 0) == frame("01 01 01 03")
    assert bus.answer(frame("01 0F 00 00 00 03 01 04"), 0) == frame("01 0F 00 00 00 03")
    assert bus.answer(frame("01 01 00 00 00 08"), 0) == frame("01 01 01 04")


def test_sensor_saturates_at_its_range() -> None:
    """Physics may go further than a sensor can tell."""
    device = ProfileDevice("station", PROFILES["renke_dust"], {})
    device.set_values({"pm10": 9_999.0, "humidity": -3.0}, saturate=True)
    readings = device.readings()
    assert (readings["pm10"].value, readings["humidity"].value) == (2000, 0.0)
    tilt = ProfileDevice("tilt", PROFILES["wt901c485"], {})
    tilt.set_values({"roll": 500.0, "pitch": -500.0}, saturate=True)
    assert tilt.readings()["roll"].value == pytest.approx(180, abs=0.01)


def test_unit_id_is_given_once() -> None:
    """A second device of the same unit id is refused."""
    bus = station()
    with pytest.raises(ValueError, match="unit id 1 of other"):
        bus.add(RelayBoard("other"), 1)
