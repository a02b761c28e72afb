"""Modbus TCP devices for `bench.gateway`: a port each, twenty registers that wander, in one process.

The first line of output tells their ports and one more: whoever connects to that is told in JSON how many
reads were answered and what all their registers add up to, and may hold its own figures against that.
"""

import argparse
import asyncio
import json
import random
import signal
import struct
from functools import partial

from bench.baselines.asked import HOST, LIFE_MAX_S, REGISTERS

STEPS = 64
"""So many readings are made beforehand and served in turn; each differs a little from the one before."""
SEED = 20_260_101

_REQUEST = struct.Struct(">HHHBBHH")


class Served:
    """What all devices together have served."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.reads = 0
        self.total = 0


class Readings:
    """The readings of one device, in turn; each is the answer's data and its sum."""

    def __init__(self, chance: random.Random) -> None:
        """Let every register wander there and back."""
        words = [chance.randrange(1_000, 5_000) for _ in range(REGISTERS)]
        there = []
        for _ in range(STEPS // 2):
            words = [word + chance.randint(-3, 3) for word in words]
            there.append((struct.pack(f">{REGISTERS}H", *words), sum(words)))
        self._readings = [*there, *reversed(there)]
        self._next = 0

    def next(self) -> tuple[bytes, int]:
        """Return the next one."""
        reading = self._readings[self._next]
        self._next = (self._next + 1) % STEPS
        return reading


class Device(asyncio.Protocol):
    """Answers reads of all registers at once; clients of this benchmark send whole frames, one at a time."""

    def __init__(self, readings: Readings, served: Served) -> None:
        """Serve these readings and count them."""
        self._readings, self._served = readings, served

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        transaction, _, _, unit_id, function, address, count = _REQUEST.unpack(data)
        assert (function, address, count) == (3, 0, REGISTERS)
        words, total = self._readings.next()
        head = struct.pack(">HHHBBB", transaction, 0, 3 + len(words), unit_id, function, len(words))
        self._transport.write(head + words)
        self._served.reads += 1
        self._served.total += total


async def serve(count: int) -> None:
    """Serve until SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    chance, served, ports = random.Random(SEED), Served(), []

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(vars(served)).encode())
        writer.close()

    for _ in range(count):
        server = await loop.create_server(partial(Device, Readings(chance), served), HOST, 0)
        ports.append(server.sockets[0].getsockname()[1])
    told = await asyncio.start_server(tell, HOST, 0)
    print(json.dumps({"ports": ports, "served": told.sockets[0].getsockname()[1]}), flush=True)
    await stop.wait()


def main() -> None:
    """Serve the devices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, required=True)
    signal.alarm(LIFE_MAX_S)
    asyncio.run(serve(parser.parse_args().devices))


if __name__ == "__main__":
    main()
