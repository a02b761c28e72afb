"""About the least that the work can cost in Python: written by hand for just these devices, nothing general.

One timer asks all devices; a tick's raw answers are appended to a file with one fsync and published packed,
as one message of QoS 1. No profiles, no errors, no acknowledgement of the centre's, no deleting.
"""

import asyncio
import json
import os
import signal
import struct
import time
from functools import partial

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from bench.baselines.asked import HOST, LIFE_MAX_S, REGISTERS, Asked, asked

_REQUEST = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, REGISTERS)
_ANSWER_BYTES = 9 + 2 * REGISTERS
_RECORD = struct.Struct(f">QH{2 * REGISTERS}s")


class Connection(asyncio.Protocol):
    """A connection to one device; every answer goes into the list of the tick."""

    def __init__(self, number: int, answers: list[bytes]) -> None:
        """``answers`` gets the packed records."""
        self._number, self._answers = number, answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        """Send the request."""
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        """Keep the registers as they came."""
        assert len(data) == _ANSWER_BYTES
        self._answers.append(_RECORD.pack(time.time_ns() // 1_000_000, self._number, data[9:]))


async def run(given: Asked) -> None:
    """Poll all devices until told to end."""
    broker = Client(CallbackAPIVersion.VERSION2)
    broker.connect(HOST, given.broker)
    broker.loop_start()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    answers: list[bytes] = []
    connections = [
        (await loop.create_connection(partial(Connection, number, answers), HOST, port))[1]
        for number, port in enumerate(given.ports, 1)
    ]
    kept = os.open(given.folder / "floor.data", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print(json.dumps({"ready": True}), flush=True)
    due_s = loop.time()
    while not stop.is_set():
        batch = b"".join(answers)  # of the tick before
        answers.clear()
        for connection in connections:
            connection.ask()
        if batch:
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
