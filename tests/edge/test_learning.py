"""A whole gateway meets a meter that is less than its document: it learns once, and remembers."""

import asyncio
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from pymodbus.constants import ExcCodes

from contract.samples import Quality, Sample
from device_profiles.schema import Table
from edge.buffer import meta
from edge.gateway import Gateway
from simulators.bus import Exchange
from simulators.devices import Device, RefusedError
from tests.edge.virtual_gateway import VirtualSite, after

PROFILE = """
schema = 1
id = "meter"
title = { en = "meter", zh = "电表" }
vendor = "none"
models = ["none"]
document = "points for a test"
"""
ADDRESSES = [0, 1, 2, 3, 8, 9, 300, 301]
PRESENT = {*ADDRESSES} - {2}
SETTINGS = """
schema = 1
district = "north"
gateway = "site-1"
profile_folders = ["profiles"]

[broker]
host = "127.0.0.1"

[[lines]]
kind = "serial"
name = "rs485-1"
port = "/dev/null"
baud = 9600

[[devices]]
name = "meter"
line = "rs485-1"
profile = "meter"
interval_s = 5
"""
CABINET = """
schema = 1
title = { en = "meters", zh = "电表" }

[[lines]]
name = "rs485-1"
kind = "serial"
baud = 9600
link = "ttyRS485-1"

[[devices]]
name = "meter"
line = "rs485-1"
unit_id = 1
profile = "water_gauge"
"""


class Meter(Device):
    """Has some registers, each with its address as its value, and refuses a request for any other."""

    def __init__(self, present: set[int]) -> None:
        """Begin to answer at once."""
        super().__init__("meter")
        self.present = present
        self.refusal = ExcCodes.ILLEGAL_ADDRESS

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return the addresses."""
        wanted = range(address, address + count)
        if not self.present.issuperset(wanted):
            raise RefusedError(self.refusal)
        return list(wanted)

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Take nothing."""
        raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)


class MeterSite(VirtualSite):
    """The gateway with a meter; counts what is asked and refused."""

    def __init__(self, folder: Path, meter: Meter, *addresses: int) -> None:
        """Write the files anew, with these points in the profile."""
        entries = [
            f'\n[[points]]\nname = "p{address}"\ntitle = {{ en = "p", zh = "点" }}\n'
            f'table = "holding_register"\naddress = {address}\n'
            for address in addresses or ADDRESSES
        ]
        (folder / "profiles").mkdir(exist_ok=True)
        (folder / "profiles" / "meter.toml").write_text(PROFILE + "".join(entries))
        (folder / "edge.toml").write_text(SETTINGS)
        (folder / "cabinet.toml").write_text(CABINET)
        super().__init__(folder / "edge.toml", folder / "cabinet.toml", folder)
        self.cabinet.buses["rs485-1"].seats[1].device = meter
        self.refused = 0
        self.wire.on_served = self._count

    def _count(self, exchange: Exchange, _: int) -> None:
        self.refused += exchange.pdu[0] == 0x83

    def of(self, point: str) -> list[Sample]:
        """Return the samples of a point."""
        return [sample for sample in self.samples() if sample.point == point]


def test_two_cycles_teach_and_the_first_brings_every_value_that_is_there(tmp_path: Path) -> None:
    """What is absent is told each interval with its reason; the third cycle asks only what is answered."""
    site = MeterSite(tmp_path, Meter(PRESENT))
    counts: list[tuple[int, int]] = []

    async def count(site: VirtualSite, gateway: Gateway) -> None:
        for _ in range(4):
            counts.append((site.wire.requests, site.refused if isinstance(site, MeterSite) else 0))
            await asyncio.sleep(5)

    site.run(after(3), count)
    asked = [after - before for (before, _), (after, _) in pairwise(counts)]
    assert asked[1:] == [4, 4]
    assert counts[1][1] == counts[-1][1] <= 8
    for address in PRESENT:
        samples = site.of(f"p{address}")
        assert len(samples) == 5
        assert {(sample.value, sample.quality) for sample in samples} == {(address, Quality.GOOD)}
    absent = site.of("p2")
    assert len(absent) == 5
    assert {(sample.quality, sample.error) for sample in absent} == {(Quality.BAD, "illegal_data_address")}


def test_a_restart_does_not_ask_what_was_refused(tmp_path: Path) -> None:
    """And another set of points begins anew."""
    first = MeterSite(tmp_path, Meter(PRESENT))
    first.run(after(12))
    assert first.refused > 0
    second = MeterSite(tmp_path, Meter(PRESENT))
    second.run(after(12))
    assert second.refused == 0
    assert second.wire.requests == 3 * 4
    assert {sample.error for sample in second.of("p2")} == {"illegal_data_address"}
    changed = MeterSite(tmp_path, Meter(PRESENT), *ADDRESSES[:-1])
    changed.run(after(12))
    assert changed.refused > 0


def test_a_restart_right_after_the_lesson_remembers_it_too(tmp_path: Path) -> None:
    """Before the first flush of telemetry."""
    present = set(range(400)) - {2}
    first = MeterSite(tmp_path, Meter(present))
    first.run(after(2))
    assert first.refused > 0
    second = MeterSite(tmp_path, Meter(present))
    second.run(after(2))
    assert second.refused == 0


def test_what_was_learnt_is_written_once_and_not_each_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of cycles, two lessons, two writes."""
    written = []
    set_value = meta.set_value

    def counted(db: sqlite3.Connection, key: str, value: str) -> None:
        if key == meta.LEARNT:
            written.append(value)
        set_value(db, key, value)

    monkeypatch.setattr(meta, "set_value", counted)
    MeterSite(tmp_path, Meter(PRESENT)).run(after(3600))
    assert len(written) == 2


@pytest.mark.parametrize("refusal", [ExcCodes.ILLEGAL_ADDRESS, ExcCodes.DEVICE_BUSY, ExcCodes.DEVICE_FAILURE])
def test_a_meter_that_refuses_everything_for_a_while_is_read_as_before_afterwards(
    tmp_path: Path, refusal: ExcCodes
) -> None:
    """Ten minutes of refusals teach nothing: two requests a cycle before and after."""
    meter = Meter(set(range(1000)))
    site = MeterSite(tmp_path, meter)
    counts: list[int] = []

    async def act(site: VirtualSite, gateway: Gateway) -> None:
        await asyncio.sleep(33)
        meter.present, meter.refusal = set(), refusal
        await asyncio.sleep(600)
        meter.present = set(range(1000))
        await asyncio.sleep(60)
        counts.append(site.wire.requests)
        await asyncio.sleep(50)
        counts.append(site.wire.requests)
        assert not next(gateway._drivers()).reads.learnt.count

    site.run(act)
    assert counts[1] - counts[0] == 10 * 2
    assert site.of("p2")[-1].value == 2
