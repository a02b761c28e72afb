"""RTU and ASCII over TCP: strangers at the far end, converters that come and go, late answers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.drivers.modbus_pdu import write_request
from edge.lines.ascii_mode import Ascii
from edge.lines.crc import framed
from edge.lines.framing import Framing
from edge.lines.line import LineError, Request
from edge.lines.rtu import Rtu
from edge.lines.stream import BUFFER_BYTES_MAX, StreamLine
from edge.lines.timing import Timing
from simulators.addressed import addressed_bus, values_at
from tests.edge.support import read_request, registers, until

HOST = "127.0.0.1"
TIMEOUT_S = 2.0
FRAMINGS: dict[FramerType, Framing] = {FramerType.RTU: Rtu(), FramerType.ASCII: Ascii()}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
Play = Callable[[StreamLine], Awaitable[None]]


def line_to(port: int, framing: Framing | None = None, *, late_answer_s: float = 0.2) -> StreamLine:
    """Return a line to a converter on this machine."""
    timing = Timing.of(115_200, "N", 1, paced=False, slack_s=0.2, late_answer_s=late_answer_s)
    return StreamLine("bus", HOST, port, timing, framing or Rtu(), reconnect_interval_s=0.01)


@pytest.mark.parametrize("framer", FRAMINGS)
def test_a_strangers_server_is_read_and_written(framer: FramerType) -> None:
    """pymodbus at the far end, in the same framing."""

    async def play() -> None:
        held = SimData(0, values=list(range(1000, 1050)), datatype=DataType.REGISTERS)
        server = ModbusTcpServer(SimDevice(1, [held]), framer=framer, address=(HOST, 0))
        await server.serve_forever(background=True)
        assert isinstance(server.transport, asyncio.Server)
        line = line_to(server.transport.sockets[0].getsockname()[1], FRAMINGS[framer])
        outcome = await line.transact(read_request(1, 5, 10, timeout_s=TIMEOUT_S))
        assert registers(outcome) == list(range(1005, 1015))
        pdu, answer_bytes = write_request("holding_register", 7, [4711])
        outcome = await line.transact(Request(1, pdu, answer_bytes, TIMEOUT_S))
        assert outcome.pdu == pdu
        outcome = await line.transact(read_request(1, 6, 3, timeout_s=TIMEOUT_S))
        assert registers(outcome) == [1006, 4711, 1008]
        await line.close()
        await server.shutdown()  # type: ignore[no-untyped-call]

    asyncio.run(play())


def converter(
    talk: Talk, play: Callable[[StreamLine], Awaitable[None]], *, late_answer_s: float = 0.2
) -> None:
    """Let a line meet a converter that talks as it is told; its third argument counts connections."""

    async def main() -> None:
        connections = 0

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            try:
                await talk(reader, writer, connections)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(accept, HOST, 0)
        line = line_to(server.sockets[0].getsockname()[1], late_answer_s=late_answer_s)
        try:
            await play(line)
        finally:
            await line.close()
            server.close()
            await server.wait_closed()

    asyncio.run(main())


async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *parts: int) -> None:
    """Answer one request for the addressed unit 1, cut into parts at these places."""
    answer = addressed_bus(1).answer(await reader.readexactly(8), 0)
    assert answer is not None
    for start, end in zip((0, *parts), (*parts, len(answer)), strict=True):
        writer.write(answer[start:end])
        await writer.drain()
        await asyncio.sleep(0.01)


async def read(line: StreamLine, address: int, timeout_s: float = TIMEOUT_S) -> list[int]:
    """Read four registers of unit 1."""
    return registers(await line.transact(read_request(1, address, 4, timeout_s=timeout_s)))


async def read_again(line: StreamLine, address: int) -> list[int]:
    """Read four registers of unit 1 as soon as that works."""
    request = read_request(1, address, 4, timeout_s=TIMEOUT_S)
    return registers(await until(lambda: line.transact(request), lambda found: found.error is None))


def test_an_answer_may_come_in_pieces() -> None:
    """Converters cut where their timers end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for parts in ((1,), (2, 3), (5, 9, 12)):
            await answer_one(reader, writer, *parts)
        await reader.read()

    async def play(line: StreamLine) -> None:
        for address in (10, 20, 30):
            assert await read(line, address) == values_at(1, "holding_register", address, 4)

    converter(talk, play)


def test_a_late_answer_is_not_taken_for_the_next_ones() -> None:
    """There is no transaction number to tell them apart; the line waits until it has come and gone."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        late = addressed_bus(1).answer(await reader.readexactly(8), 0)
        assert late is not None
        await asyncio.sleep(0.2)
        writer.write(late)
        await answer_one(reader, writer)
        await reader.read()

    async def play(line: StreamLine) -> None:
        outcome = await line.transact(read_request(1, 100, 4, timeout_s=0.1))
        assert outcome.error is LineError.TIMEOUT
        assert await read(line, 200) == values_at(1, "holding_register", 200, 4)
        assert line.seen.stray_frames == 1

    converter(talk, play, late_answer_s=0.4)


def test_a_converter_that_hangs_up_in_mid_answer_costs_that_answer() -> None:
    """The next connection is asked as if nothing had been."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.write(b"\x01\x03\x08")
            return
        while True:
            await answer_one(reader, writer)

    async def play(line: StreamLine) -> None:
        outcome = await line.transact(read_request(1, 100, 4, timeout_s=60))
        assert outcome.error is LineError.UNAVAILABLE
        good = await until(
            lambda: line.transact(read_request(1, 7, 4, timeout_s=TIMEOUT_S)),
            lambda found: found.error is None,
        )
        assert registers(good) == values_at(1, "holding_register", 7, 4)

    converter(talk, play)


def test_a_peer_that_floods_us_is_left() -> None:
    """What nobody asked for does not fill our memory."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await answer_one(reader, writer)
        if number == 1:
            writer.write(framed(9, b"\x55" * 60) * (BUFFER_BYTES_MAX // 20))
            await writer.drain()
            await reader.read()
        else:
            await answer_one(reader, writer)

    async def play(line: StreamLine) -> None:
        assert await read(line, 1) == values_at(1, "holding_register", 1, 4)
        good = await until(
            lambda: line.transact(read_request(1, 3, 4, timeout_s=TIMEOUT_S)),
            lambda found: found.error is None,
        )
        assert registers(good) == values_at(1, "holding_register", 3, 4)

    converter(talk, play)


def test_nobody_there_is_unavailable() -> None:
    """And a closed line is."""

    async def play() -> None:
        line = line_to(1)
        assert (await line.transact(read_request(1, 0, 1))).error is LineError.UNAVAILABLE
        await line.close()
        assert (await line.transact(read_request(1, 0, 1))).error is LineError.UNAVAILABLE

    asyncio.run(play())
