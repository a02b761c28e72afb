"""Several outputs are written together: in few requests, nothing that was not asked, all read back."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.samples import Quality, Value
from device_profiles import codec
from device_profiles.catalogue import load_all
from device_profiles.codec import Reading
from device_profiles.schema import ModbusLimits, Profile, Table
from edge.drivers.modbus import Device, ModbusDevice, Written
from edge.drivers.modbus_writes import plan_writes
from edge.lines.line import LineError, Outcome, Request
from firmware_shims.catalogue import applied
from simulators.bus import Bus
from simulators.devices import Device as SimulatedDevice
from simulators.devices import ProfileDevice
from simulators.odd_devices import RelayOrders, Relays0100
from simulators.relay_board import RelayBoard
from tests.edge.support import BusLine

RELAYS = load_all()["waveshare_relay_8"]
TITLE = {"en": "x", "zh": "某"}


def profile(*points: dict[str, Any], **modbus: Any) -> Profile:
    """Return a profile of writable points; a holding register where nothing else is said."""
    usual = {"title": TITLE, "table": "holding_register", "writable": True}
    plain = {
        "schema": 1,
        "id": "lamp",
        "title": TITLE,
        "vendor": "none",
        "models": ["none"],
        "document": "points for a test",
        "modbus": modbus,
        "points": [usual | point for point in points],
    }
    return Profile.model_validate(plain)


def bit(name: str, number: int, address: int = 20, **more: Any) -> dict[str, Any]:
    """Return a bit of a register."""
    return {"name": name, "address": address, "type": "bool", "bit": number, **more}


LAMP = (
    {"name": "dimming", "address": 0},
    {"name": "total", "address": 1, "type": "u32", "word_order": "little"},
    {"name": "tilt", "address": 3, "type": "i16", "scale": 0.1},
    {"name": "limit", "address": 5},
    bit("lamp", 0),
    bit("fan", 9),
    bit("door", 15, writable=False),
)
WHOLE: dict[str, Value] = {"dimming": 70, "total": 0x12345678, "tilt": -1.5, "limit": 9}


class Wilful(SimulatedDevice):
    """Holds registers, takes every write and keeps only even addresses."""

    def __init__(self) -> None:
        """All 0."""
        super().__init__("wilful")
        self.held = dict.fromkeys(range(10), 0)

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return what is held."""
        return [self.held[address + index] for index in range(count)]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Keep the half of it."""
        self.held |= {at: value for at, value in enumerate(values, start=address) if at % 2 == 0}


class OneByOne(RelayBoard):
    """A relay board that knows FC01 and FC05 only."""

    functions = frozenset({1, 5})


def written(
    simulated: SimulatedDevice, held: Profile, values: Mapping[str, Value], line: BusLine | None = None
) -> tuple[Written, list[str]]:
    """Write values to a simulated device at unit 1; what became of them, and the PDUs that were sent."""
    bus = Bus()
    bus.add(simulated, 1)
    line = line or BusLine(bus)
    driver = ModbusDevice(Device("device", 1, held, tuple(held.names), 0.3), line)
    found = asyncio.run(driver.write_and_read(values))
    return found, [pdu.hex(" ").upper() for pdu in line.asked]


def good(values: Mapping[str, Value]) -> dict[str, Reading]:
    """Return the values as good readings."""
    return {name: Reading(value) for name, value in values.items()}


def test_coils_that_follow_each_other_go_together() -> None:
    """Two runs, a request each, and one read; relay 4 between them is left alone."""
    values = {"relay_3": False, "relay_1": True, "relay_2": True, "relay_5": True, "relay_6": True}
    board = RelayBoard("board")
    board.write("coil", 3, [1], 0)
    found, asked = written(board, RELAYS, values)
    assert found == Written(dict.fromkeys(values, ""), good(values))
    assert asked == ["0F 00 00 00 03 01 03", "0F 00 04 00 02 01 03", "01 00 00 00 06"]
    assert board.relays(0) == [True, True, False, True, True, True, False, False]


def test_each_point_has_its_own_error() -> None:
    """By name, in the order of asking."""
    bus = Bus()
    bus.add(RelayBoard("board"), 1)
    driver = ModbusDevice(Device("device", 1, RELAYS, ("relay_1",), 0.3), BusLine(bus))
    told = asyncio.run(driver.write_and_read({"relay_9": True, "relay_2": True, "relay_1": 7})).errors
    assert list(told.items()) == [
        ("relay_9", "not_writable"),
        ("relay_2", ""),
        ("relay_1", "value_does_not_fit"),
    ]


def test_a_board_that_takes_one_coil_a_time_gets_one_a_time() -> None:
    """Its refusal of function 15 is not the end of it."""
    found, asked = written(OneByOne("board"), RELAYS, {"relay_1": True, "relay_2": True})
    assert found.errors == {"relay_1": "", "relay_2": ""}
    assert asked == [
        "0F 00 00 00 02 01 03",
        "05 00 00 FF 00",
        "05 00 01 FF 00",
        "01 00 00 00 02",
    ]


@pytest.mark.parametrize(
    ("asked_before", "sent"),
    [
        (2, ["05 00 01 FF 00", "01 00 00 00 02"]),
        (4, ["0F 00 00 00 02 01 03", "05 00 01 FF 00", "01 00 00 00 02"]),
    ],
)
def test_what_does_not_stand_any_more_is_not_sent(asked_before: int, sent: list[str]) -> None:
    """Nor is it between two requests: relay 1 is locked before the first, or after that was refused."""
    bus, asked = Bus(), 0
    bus.add(OneByOne("board"), 1)
    line = BusLine(bus)
    driver = ModbusDevice(Device("device", 1, RELAYS, ("relay_1",), 0.3), line)

    def stands(point: str) -> bool:
        nonlocal asked
        asked += 1
        return point != "relay_1" or asked < asked_before - 1

    found = asyncio.run(driver.write_and_read({"relay_1": True, "relay_2": True}, stands))
    assert found.errors == {"relay_1": "withdrawn", "relay_2": ""}
    assert [pdu.hex(" ").upper() for pdu in line.asked] == sent


def test_registers_that_follow_each_other_go_together() -> None:
    """One FC16 over three values of four words; the hole before the next is not bridged."""
    held = profile(*LAMP, mask_write=True, hole_registers_max=0)
    found, asked = written(ProfileDevice("lamp", held, {}), held, WHOLE)
    assert found == Written(dict.fromkeys(WHOLE, ""), good(WHOLE))
    assert asked == [
        "10 00 00 00 04 08 00 46 56 78 12 34 FF F1",
        "06 00 05 00 09",
        "03 00 00 00 04",
        "03 00 05 00 01",
    ]


def test_bits_of_a_register_are_changed_and_their_neighbours_are_not() -> None:
    """Two bits in one mask write; the door's own bit stays as it is."""
    held = profile(*LAMP, mask_write=True)
    device = ProfileDevice("lamp", held, {"door": True, "fan": True})
    found, asked = written(device, held, {"lamp": True, "fan": False})
    assert found.errors == {"lamp": "", "fan": ""}
    assert asked == ["16 00 14 FD FE 00 01", "03 00 14 00 01"]
    assert device.read("holding_register", 20, 1, 0) == [0x8001]


def test_a_single_bit_is_written_by_the_plain_write_too() -> None:
    """So an output of a rule may be one."""
    held = profile(*LAMP, mask_write=True)
    bus = Bus()
    bus.add(ProfileDevice("lamp", held, {"door": True}), 1)
    line = BusLine(bus)
    driver = ModbusDevice(Device("device", 1, held, ("fan",), 0.3), line)
    assert asyncio.run(driver.write("fan", True)) == ""
    assert line.asked == [bytes.fromhex("16 00 14 FD FF 02 00")]
    assert asyncio.run(driver.write("door", True)) == "not_writable"
    assert asyncio.run(driver.write("fan", 1)) == "value_does_not_fit"


def test_a_bit_is_not_written_where_the_device_cannot_change_one() -> None:
    """To read, change and write the whole register could undo what the device itself changed meanwhile."""
    held = profile(*LAMP, mask_write=True).model_copy(update={"modbus": ModbusLimits()})
    found, asked = written(ProfileDevice("lamp", held, {}), held, {"fan": True})
    assert (found, asked) == (Written({"fan": "not_writable"}, {}), [])


def test_registers_are_written_and_read_back_in_one_transaction() -> None:
    """Where the profile says that the device knows function 23."""
    held = profile(*LAMP, mask_write=True, read_write=True)
    found, asked = written(ProfileDevice("lamp", held, {}), held, WHOLE)
    assert found == Written(dict.fromkeys(WHOLE, ""), good(WHOLE))
    assert asked == [
        "17 00 00 00 04 00 00 00 04 08 00 46 56 78 12 34 FF F1",
        "17 00 05 00 01 00 05 00 01 02 00 09",
    ]


def test_a_register_and_its_bits_together() -> None:
    """The bits come last and are read after it; the register then does not stand as written, and says so."""
    held = profile(*LAMP, {"name": "status", "address": 20}, mask_write=True, read_write=True)
    found, asked = written(ProfileDevice("lamp", held, {}), held, {"fan": True, "status": 1})
    assert [pdu[:2] for pdu in asked] == ["17", "16", "03"]
    assert found.errors == {"fan": "", "status": "not_as_written"}
    assert found.readings == {"status": Reading(0x0201), "fan": Reading(True)}


@pytest.mark.parametrize("read_write", [False, True])
def test_what_the_device_does_not_keep_is_not_as_written(read_write: bool) -> None:
    """It said yes; the read back says what stands there."""
    points = [{"name": name, "address": address} for address, name in enumerate("abcd")]
    held = profile(*points, read_write=read_write)
    device = Wilful()
    device.functions = device.functions | {23}
    found, _ = written(device, held, {"a": 1, "b": 2, "c": 3, "d": 0})
    assert found.errors == {"a": "", "b": "not_as_written", "c": "", "d": ""}
    assert {name: reading.value for name, reading in found.readings.items()} == {
        "a": 1,
        "b": 0,
        "c": 3,
        "d": 0,
    }


def test_a_refused_write_has_its_reason_and_is_read_back() -> None:
    """The others of its request have it too: the device took none of them."""
    points = [{"name": "a", "address": 0}, {"name": "b", "address": 1}]
    lesser = profile(points[0], dict(points[1], writable=False))
    found, _ = written(ProfileDevice("device", lesser, {"a": 5}), profile(*points), {"a": 1, "b": 2})
    assert found.errors == dict.fromkeys("ab", "illegal_data_address")
    assert found.readings == {"a": Reading(5), "b": Reading(0)}


class Failing(BusLine):
    """A bus that fails at some requests, counted from 0."""

    def __init__(self, bus: Bus, failures: Mapping[int, LineError]) -> None:
        """Keep when to fail."""
        super().__init__(bus)
        self._bus_held, self._failures = bus, failures
        self.revive = ""
        """Who comes back to life after a failure."""

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        error = self._failures.get(len(self.asked))
        outcome = await super().transact(request)
        if error and self.revive:
            self._bus_held.set_alive(self.revive, True)
        return Outcome(None, error, 0) if error else outcome


@pytest.mark.parametrize(
    ("failing", "error", "value"),
    [(0, "timeout", True), (1, "garbled", None), (None, "", True)],
)
def test_a_line_that_fails_is_told(failing: int | None, error: str, value: Value) -> None:
    """At the write: the read back shows that it was done, unheard. At the read back: not known."""
    bus = Bus()
    bus.add(RelayBoard("board"), 1)
    reasons = {0: LineError.TIMEOUT, 1: LineError.GARBLED}
    line = Failing(bus, {} if failing is None else {failing: reasons[failing]})
    driver = ModbusDevice(Device("device", 1, RELAYS, ("relay_1",), 0.3), line)
    found = asyncio.run(driver.write_and_read({"relay_1": True}))
    assert found.errors == {"relay_1": error}
    quality = Quality.GOOD if value is not None else Quality.BAD
    assert (found.readings["relay_1"].value, found.readings["relay_1"].quality) == (value, quality)


@pytest.mark.parametrize(("heard", "error"), [(True, ""), (False, "only_echo")])
def test_where_only_an_echo_came_the_read_back_decides(heard: bool, error: str) -> None:
    """An adapter echoes what we send: that is no proof, and no failure either."""
    bus = Bus()
    bus.add(RelayBoard("board"), 1)
    line = Failing(bus, {0: LineError.ECHO})
    driver = ModbusDevice(Device("device", 1, RELAYS, ("relay_1",), 0.3), line)
    bus.set_alive("board", heard)
    if not heard:
        line.revive = "board"
    assert asyncio.run(driver.write_and_read({"relay_1": True})).errors == {"relay_1": error}


@pytest.mark.parametrize(
    ("board", "shims", "asked"),
    [
        (Relays0100("board"), ("relay_on_0100", "relay_coils_from_1"), ["05 00 01 01 00", "05 00 02 00 00"]),
        (RelayOrders("board"), ("relay_registers",), ["06 00 01 01 00", "06 00 02 02 00"]),
    ],
)
def test_orders_of_the_makers_own_are_sent_one_by_one(
    board: RelayBoard, shims: tuple[str, ...], asked: list[str]
) -> None:
    """What such a board makes of several at once, no paper says; the read back is one all the same."""
    held = applied(load_all()["relay_board_8"], shims)
    found, sent = written(board, held, {"relay_2": False, "relay_1": True})
    assert found == Written({"relay_2": "", "relay_1": ""}, good({"relay_1": True, "relay_2": False}))
    assert sent[:-1] == asked
    assert len(sent) == 3


@given(
    st.sets(st.integers(0, 60), min_size=1),
    st.sampled_from(["coil", "holding_register"]),
    st.integers(1, 20),
    st.booleans(),
)
def test_each_value_is_written_once_and_nothing_else(
    addresses: set[int], table: Table, most: int, read_write: bool
) -> None:
    """Whatever is asked: runs without holes, within the device's limit, and no longer to be joined."""
    kind = "bool" if table == "coil" else "u16"
    points = [
        {"name": f"p{address}", "table": table, "address": address, "type": kind} for address in addresses
    ]
    held = profile(*points, registers_per_request_max=most, bits_per_request_max=most, read_write=read_write)
    values: dict[str, Value] = {
        f"p{address}": bool(address & 1) if table == "coil" else address for address in addresses
    }
    plan, refused = plan_writes(held, values)
    assert refused == {}
    sent = [(write.address + at, word) for write in plan for at, word in enumerate(write.words)]
    spelt = {address: 0xFF00 * (address & 1) if table == "coil" else address for address in addresses}
    assert sent == sorted(spelt.items())
    assert all(len(write.words) <= most for write in plan)
    assert all(first.end < then.address or len(first.words) == most for first, then in pairwise(plan))


def test_a_request_is_never_longer_than_the_standard_allows() -> None:
    """250 registers: the transaction that also reads them takes two fewer at a time."""
    many = {"address": 0, "name": "p{n}", "repeat": {"count": 250}}
    for read_write, most in ((False, 123), (True, 121)):
        held = profile(many, read_write=read_write)
        plan, _ = plan_writes(held, dict.fromkeys(held.names, 1))
        assert [len(write.words) for write in plan] == [most, most, 250 - 2 * most]


def test_a_value_of_two_words_is_not_divided() -> None:
    """Even where the device's limit is one register: half a value is none."""
    held = profile({"name": "total", "address": 0, "type": "u32"}, registers_per_request_max=1)
    [write], _ = plan_writes(held, {"total": 70_000})
    assert write.words == tuple(codec.encode(held.points[0], 70_000))
