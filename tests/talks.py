"""Plays the talks of a vector file: the driver asks over a virtual line, the file answers."""

import asyncio
from typing import NamedTuple

from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.drivers.modbus import Device, ModbusDevice
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from simulators.virtual_loop import run_virtually
from tests.vector_files import Said, Vectors

BAUD = 9600
CHARACTER_NS = 10 * 1_000_000_000 // BAUD


class Heard(NamedTuple):
    """What the driver sent in one talk, and what it made of the answers."""

    requests: list[str]
    readings: dict[str, Reading]


class Script:
    """A wire on which the written answers follow, one for each request; another request gets none."""

    def __init__(self, said: list[Said]) -> None:
        """Take the lines of all talks."""
        self.requests: list[str] = []
        self._said = list(said)
        self._under_way: list[tuple[int, int]] = []

    def send(self, data: bytes, now_ns: int) -> int:
        """See Wire."""
        end_ns = now_ns + len(data) * CHARACTER_NS
        self.requests.append(data.hex(" ").upper())
        line = self._said.pop(0) if self._said else None
        if line and line.response and line.request == self.requests[-1]:
            begin_ns = end_ns + int(line.after_s * 1e9)
            answer = enumerate(bytes.fromhex(line.response), start=1)
            self._under_way += [(begin_ns + index * CHARACTER_NS, byte) for index, byte in answer]
            self._under_way.sort()
        return end_ns

    def receive(self, now_ns: int) -> bytes:
        """See Wire."""
        arrived = bytes(byte for at_ns, byte in self._under_way if at_ns <= now_ns)
        self._under_way = [entry for entry in self._under_way if entry[0] > now_ns]
        return arrived

    def next_arrival_ns(self) -> int | None:
        """See Wire."""
        return self._under_way[0][0] if self._under_way else None


def played(vectors: Vectors, profile: Profile) -> list[Heard]:
    """Return what was heard in each talk, with that profile in the driver."""

    async def play() -> list[Heard]:
        wire = Script([each for talk in vectors.talk for each in talk.said])
        line = VirtualLine("script", Timing.of(BAUD, "N", 1), wire)
        unit_id = profile.serial.unit_id if profile.serial else 1
        driver = ModbusDevice(
            Device("device", unit_id, profile, tuple(profile.names), vectors.timeout_s), line
        )
        heard = []
        for talk in vectors.talk:
            await asyncio.sleep(talk.rest_s)
            readings = await driver.read_points(talk.read)
            while "held_back" in {reading.error for reading in readings.values()}:
                await asyncio.sleep(0.5)  # a late answer may still come; it is asked again, as a poller does
                readings = await driver.read_points(talk.read)
            heard.append(Heard(wire.requests[:], readings))
            wire.requests.clear()
        return heard

    return run_virtually(play())
