"""What a Modbus TCP transaction costs with many connections: ``python -m bench.tcp``.

Fifty connections, one transaction at a time on each, against a small server in a process of its own. CPU is
that of this process, beside pymodbus's asyncio client in the same run; medians of several rounds.
"""

import argparse
import asyncio
import contextlib
import json
import platform
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from statistics import median

from pymodbus.client import AsyncModbusTcpClient

from edge.drivers import modbus_pdu
from edge.lines.line import Request
from edge.lines.tcp import TcpLine

CONNECTIONS = 50
REGISTERS = 20
HOST = "127.0.0.1"
LIFE_MAX_S = 600


class Server(asyncio.Protocol):
    """Answers every read of holding registers; each register holds its address."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer; clients of this benchmark send whole frames, one at a time."""
        transaction, unit_id, address, count = struct.unpack(">H4xBxHH", data)
        words = struct.pack(f">{count}H", *range(address, address + count))
        head = struct.pack(">HHHBBB", transaction, 0, 3 + len(words), unit_id, 3, len(words))
        self._transport.write(head + words)


async def serve() -> None:
    """Serve on a free port, tell it, end by itself."""
    server = await asyncio.get_running_loop().create_server(Server, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIFE_MAX_S):
            await server.serve_forever()


@contextmanager
def served() -> Iterator[int]:
    """Run the server in a process of its own; yield its port."""
    command = [sys.executable, "-m", "bench.tcp", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def ours(port: int, count: int) -> float:
    """Return CPU seconds of ``count`` transactions on each connection."""
    lines = [TcpLine(f"line-{number}", HOST, port) for number in range(CONNECTIONS)]
    pdu, answer_bytes = modbus_pdu.read_request("holding_register", 0, REGISTERS)
    request = Request(1, pdu, answer_bytes, 5)

    async def one(line: TcpLine, times: int) -> None:
        for _ in range(times):
            outcome = await line.transact(request)
            assert outcome.pdu is not None, outcome.error
            assert modbus_pdu.read_answer("holding_register", REGISTERS, outcome.pdu)[-1] == REGISTERS - 1

    await asyncio.gather(*(one(line, 1) for line in lines))
    began_s = time.process_time()
    await asyncio.gather(*(one(line, count) for line in lines))
    spent_s = time.process_time() - began_s
    await asyncio.gather(*(line.close() for line in lines))
    return spent_s


async def pymodbus(port: int, count: int) -> float:
    """The same through pymodbus."""
    clients = [AsyncModbusTcpClient(HOST, port=port, timeout=5) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(client.connect() for client in clients))

    async def one(client: AsyncModbusTcpClient) -> None:
        for _ in range(count):
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            assert answer.registers[-1] == REGISTERS - 1

    began_s = time.process_time()
    await asyncio.gather(*(one(client) for client in clients))
    spent_s = time.process_time() - began_s
    for client in clients:
        client.close()
    return spent_s


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--transactions", type=int, default=100, help="On each connection and round.")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return
    masters: dict[str, Callable[[int, int], Awaitable[float]]] = {"gengfu": ours, "pymodbus": pymodbus}
    spent: dict[str, list[float]] = {name: [] for name in masters}

    async def play(port: int) -> None:
        for _ in range(given.rounds):
            for name, master in masters.items():
                spent[name].append(await master(port, given.transactions))

    with served() as port:
        asyncio.run(play(port))
    each_us = {
        name: median(rounds) / (CONNECTIONS * given.transactions) * 1e6 for name, rounds in spent.items()
    }
    for name, cost_us in each_us.items():
        print(f"{name:<9} {cost_us:8.1f} CPU us a transaction")
    figures = {
        "cpu_us_per_transaction": round(each_us["gengfu"], 1),
        "cpu_ratio_pymodbus_50": round(each_us["gengfu"] / each_us["pymodbus"], 3),
    }
    conditions = {
        "connections": CONNECTIONS,
        "registers": REGISTERS,
        "rounds": given.rounds,
        "python": platform.python_version(),
    }
    print(json.dumps({"name": "tcp", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
