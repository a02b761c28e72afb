"""Devices that tell their address, are silent instead of refusing, or answer unit 0."""

from device_profiles import catalogue
from simulators.bus import Bus
from simulators.devices import ProfileDevice
from simulators.signed_devices import SignedDevice

PROFILES = catalogue.load_all()


def bus(profile: str, unit_id: int = 7, baud: int = 9600, *, taciturn: bool = False) -> Bus:
    """Return a bus with one device."""
    made = Bus()
    made.add(SignedDevice("x", PROFILES[profile], {}, unit_id=unit_id, baud=baud, taciturn=taciturn), unit_id)
    return made


def asked(made: Bus, unit_id: int, pdu: bytes) -> tuple[int, bytes] | None:
    """Return who answers, and what."""
    exchange = made.serve(unit_id, pdu, 0)
    return (exchange.unit_id, exchange.pdu) if exchange else None


def test_its_address_and_speed_stand_where_the_document_says() -> None:
    """Renke's 0x07D0 and 0x07D1; 1 is 4800."""
    made = bus("renke_dust", 9, 4800)
    assert asked(made, 9, bytes([3, 0x07, 0xD0, 0, 2])) == (9, bytes([3, 4, 0, 9, 0, 1]))


def test_text_stands_two_characters_a_register() -> None:
    """As SunSpec has it."""
    assert asked(bus("solaredge_inverter"), 7, bytes([3, 0x9C, 0x40, 0, 2])) == (7, b"\x03\x04SunS")


def test_a_taciturn_device_says_nothing_where_others_refuse() -> None:
    """What it has it gives."""
    pdu = bytes([3, 0, 0, 0, 1])
    assert asked(bus("renke_dust"), 7, pdu) == (7, b"\x83\x02")
    assert asked(bus("renke_dust", taciturn=True), 7, pdu) is None
    assert asked(bus("renke_dust", taciturn=True), 7, bytes([3, 1, 0xF4, 0, 1])) == (7, b"\x03\x02\0\0")


def test_unit_0_is_answered_by_those_boards_that_do() -> None:
    """With their own unit, and only where they read."""
    pdu = bytes([3, 0x40, 0, 0, 1])
    assert asked(bus("waveshare_relay_8", 42), 0, pdu) == (42, bytes([3, 2, 0, 42]))
    assert asked(bus("renke_dust", 42), 0, pdu) is None
    assert not ProfileDevice("x", PROFILES["waveshare_relay_8"], {}).answers_unit_0
