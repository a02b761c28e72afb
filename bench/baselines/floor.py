"""About the least that the work can cost in Python: written by hand for just these devices, nothing general.

All devices are asked at once, by a client of a few lines each, under one time limit. What they said is
packed, appended to a file with one fsync, and published as one message of QoS 1. No profiles, no reasons for
failures, no acknowledgement of the centre's, no deleting.
"""

import asyncio
import json
import os
import signal
import struct
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from bench.baselines.asked import HOST, LIFE_MAX_S, REGISTERS, Asked, asked

TIMEOUT_S = 3
_REQUEST = struct.Struct(">HHHBBHH")
_ANSWER = struct.Struct(f">HHHBBB{REGISTERS}H")
_RECORD = struct.Struct(f">QH{REGISTERS}H")


class Device(asyncio.Protocol):
    """A connection to one device; one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._transaction = 0

    def ask(self) -> "asyncio.Future[tuple[int, ...]]":
        """Send a request; the future gets the registers."""
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._answer: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self._transport.write(_REQUEST.pack(self._transaction, 0, 6, 1, 3, 0, REGISTERS))
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Take the answer that is waited for."""
        transaction, protocol, _, unit_id, function, size, *values = _ANSWER.unpack(data)
        if (transaction, protocol, unit_id, function, size) == (self._transaction, 0, 1, 3, 2 * REGISTERS):
            self._answer.set_result(tuple(values))


async def cycle(devices: list[Device]) -> bytes:
    """Ask every device once; return the values of those that answered, packed with time and number."""
    answers = [device.ask() for device in devices]
    await asyncio.wait(answers, timeout=TIMEOUT_S)
    time_ms = time.time_ns() // 1_000_000
    return b"".join(
        _RECORD.pack(time_ms, number, *answer.result())
        for number, answer in enumerate(answers, 1)
        if answer.done()
    )


async def run(given: Asked) -> None:
    """Poll all devices until told to end."""
    broker = Client(CallbackAPIVersion.VERSION2)
    broker.connect(HOST, given.broker)
    broker.loop_start()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    devices = [(await loop.create_connection(Device, HOST, port))[1] for port in given.ports]
    kept = os.open(given.folder / "floor.data", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print(json.dumps({"ready": True}), flush=True)
    due_s = loop.time()
    while not stop.is_set():
        batch = await cycle(devices)
        os.write(kept, batch)
        os.fsync(kept)
        broker.publish("floor/batch", batch, qos=1)
        due_s += given.interval_s
        await asyncio.sleep(due_s - loop.time())
    broker.disconnect()
    broker.loop_stop()


if __name__ == "__main__":
    signal.alarm(LIFE_MAX_S)
    asyncio.run(run(asked(__doc__)))
