"""The TCP line against simulated devices, and against a peer that does what peers do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from edge.lines.line import LineError, Outcome
from edge.lines.tcp import SILENT_TRANSACTIONS_MAX, TcpLine
from simulators.addressed import addressed_bus, values_at
from simulators.bus import Bus
from simulators.tcp_line import TcpLine as SimulatedTcp
from tests.edge.support import read_request, registers, until

HOST = "127.0.0.1"
LONG_S = 30.0
"""A timeout that no test waits for."""

SHORT_S = 0.05
"""A timeout that tests wait for."""

RECONNECT_S = 0.0


@contextmanager
def serving(bus: Bus, port: int = 0) -> Iterator[int]:
    """Serve a bus; the port."""
    server = SimulatedTcp(bus, port)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@dataclass
class Asked:
    """A request as the raw peer got it."""

    transaction: int
    unit_id: int
    pdu: bytes

    def answer(
        self, values: list[int], *, transaction: int | None = None, unit_id: int | None = None
    ) -> bytes:
        """Return a whole answer with these registers."""
        data = struct.pack(f">{len(values)}H", *values)
        pdu = bytes([self.pdu[0], len(data)]) + data
        return message(
            self.transaction if transaction is None else transaction,
            self.unit_id if unit_id is None else unit_id,
            pdu,
        )


def message(
    transaction: int, unit_id: int, pdu: bytes, *, protocol: int = 0, length: int | None = None
) -> bytes:
    """Return header and PDU; the header may lie."""
    told = len(pdu) + 1 if length is None else length
    return struct.pack(">HHHB", transaction, protocol, told, unit_id) + pdu


Script = Callable[[int, Asked, asyncio.StreamWriter], Awaitable[None]]
"""Called with the number of the request (from 0, over all connections) and the request."""


class Peer:
    """A server that reads requests properly and answers as it is told."""

    def __init__(self, script: Script) -> None:
        """Keep what is to be done."""
        self.port = 0
        self.connections = 0
        self.asked: list[Asked] = []
        self._script = script

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while True:
                transaction, _, length, unit_id = struct.unpack(">HHHB", await reader.readexactly(7))
                asked = Asked(transaction, unit_id, await reader.readexactly(length - 1))
                self.asked.append(asked)
                await self._script(len(self.asked) - 1, asked, writer)
                await writer.drain()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer(script: Script) -> AsyncIterator[Peer]:
    """Run a peer on a free port."""
    made = Peer(script)
    server = await asyncio.start_server(made.talk, HOST, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def read(line: TcpLine, address: int, *, timeout_s: float = LONG_S) -> Outcome:
    """Read two registers of unit 1."""
    return await line.transact(read_request(1, address, 2, timeout_s=timeout_s))


async def recovered(line: TcpLine, address: int = 7) -> Outcome:
    """Read until it works again."""
    return await until(lambda: read(line, address), lambda outcome: outcome.error is None)


def ended(line: TcpLine) -> bool:
    """Say whether the line knows that its connection cannot be asked any more."""
    return line._endpoint.current is not None and not line._endpoint.current.usable


def run_against(script: Script, play: Callable[[TcpLine, Peer], Awaitable[None]]) -> None:
    """Run a play with a line to a peer."""

    async def main() -> None:
        async with peer(script) as server:
            line = TcpLine("tcp", HOST, server.port, reconnect_interval_s=RECONNECT_S)
            await play(line, server)
            await line.close()

    asyncio.run(main())


async def echo_address(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer as it should be: two registers that tell the address."""
    address = int.from_bytes(asked.pdu[1:3], "big")
    writer.write(asked.answer([address, address + 1]))


def test_values_arrive_and_callers_share_the_connection() -> None:
    """Sixty calls at once to two units; an exception is an answer."""

    async def play() -> None:
        with serving(addressed_bus(1, 2, turnaround_ms=0)) as port:
            line = TcpLine("tcp", HOST, port, reconnect_interval_s=RECONNECT_S)
            calls = [
                line.transact(read_request(1 + index % 2, 11 * index, 3, timeout_s=LONG_S))
                for index in range(60)
            ]
            for index, outcome in enumerate(await asyncio.gather(*calls)):
                assert registers(outcome) == values_at(1 + index % 2, "holding_register", 11 * index, 3)
            assert (await read(line, 0xFFF0)).pdu == b"\x83\x02"
            await line.close()
            assert (await read(line, 0)).error is LineError.UNAVAILABLE

    asyncio.run(play())


def test_a_dead_unit_times_out_and_the_living_is_read_on_the_same_connection() -> None:
    """Silence of a unit behind a gateway says nothing of the gateway."""

    async def play() -> None:
        with serving(addressed_bus(1, turnaround_ms=0)) as port:
            line = TcpLine("tcp", HOST, port, reconnect_interval_s=RECONNECT_S)
            for _ in range(3):
                outcome = await line.transact(read_request(9, 0, 1, timeout_s=SHORT_S))
                assert (outcome.pdu, outcome.error) == (None, LineError.TIMEOUT)
                assert registers(await read(line, 3)) == values_at(1, "holding_register", 3, 2)
            await line.close()

    asyncio.run(play())


def test_nobody_listens_and_then_somebody_does() -> None:
    """A refused connection is unavailable, at once; it is tried again after its interval."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]

    async def play() -> None:
        line = TcpLine("tcp", HOST, port, reconnect_interval_s=RECONNECT_S)
        for _ in range(3):
            assert (await read(line, 0)).error is LineError.UNAVAILABLE
        with serving(addressed_bus(1, turnaround_ms=0), port):
            assert registers(await recovered(line)) == values_at(1, "holding_register", 7, 2)
        assert (await read(line, 0)).error is LineError.UNAVAILABLE
        with serving(addressed_bus(1, turnaround_ms=0), port):
            assert registers(await recovered(line)) == values_at(1, "holding_register", 7, 2)
        await line.close()

    asyncio.run(play())


def test_a_late_answer_is_told_by_its_transaction() -> None:
    """The first answer comes after the second request: the line passes over it."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            writer.write(asked.answer([100, 101], transaction=asked.transaction - 1))
        if number > 0:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        assert (await read(line, 100, timeout_s=SHORT_S)).error is LineError.TIMEOUT
        assert registers(await read(line, 200)) == [200, 201]
        assert registers(await read(line, 300)) == [300, 301]
        assert server.connections == 1

    run_against(script, play)


@pytest.mark.parametrize(
    "harmed",
    [
        message(1, 1, b"\x03\x04\0\1\0\2", protocol=7),
        message(1, 1, b"\x03\x04\0\1\0\2", length=0),
        message(1, 1, b"\x03\x04\0\1\0\2", length=1),
        message(1, 1, b"\x03\x04\0\1\0\2", length=0xFFFF),
        message(1, 1, b"\x03\x04\0\1\0\2", length=6),
        message(1, 1, b"\x03\x04\0\1\0\2", length=8) + b"\0",
        message(999, 1, b"\x03\x04\0\1\0\2", length=6),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_a_peer_out_of_step_is_left_and_called_anew(harmed: bytes) -> None:
    """A header that cannot be, or that lies about the length: garbled, and the next connection is sound."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(harmed)
        else:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        assert (await read(line, 1)).error is LineError.GARBLED
        assert registers(await recovered(line)) == [7, 8]
        assert server.connections == 2

    run_against(script, play)


def test_a_frame_that_never_ends_times_out_and_the_connection_is_left() -> None:
    """Its rest would be read as the beginning of the next."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(asked.answer([1, 2])[:-1])
        else:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        assert (await read(line, 1, timeout_s=SHORT_S)).error is LineError.TIMEOUT
        assert registers(await recovered(line)) == [7, 8]
        assert server.connections == 2

    run_against(script, play)


def test_a_caller_that_leaves_in_mid_frame_leaves_no_half_frame_to_the_next() -> None:
    """The connection is left with him."""
    half_sent = asyncio.Event()

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(asked.answer([1, 2])[:-1])
            await writer.drain()
            half_sent.set()
        else:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        call = asyncio.create_task(read(line, 1))
        await half_sent.wait()
        await until(lambda: asyncio.sleep(0, result=ended(line)), bool)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert registers(await read(line, 7)) == [7, 8]
        assert server.connections == 2

    run_against(script, play)


@pytest.mark.parametrize("bytes_before_the_cut", [0, 3, 7, 10])
def test_a_connection_cut_is_unavailable_and_made_anew(bytes_before_the_cut: int) -> None:
    """Wherever in the answer it was cut."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            writer.write(asked.answer([1, 2])[:bytes_before_the_cut])
            writer.close()
        else:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        assert registers(await read(line, 5)) == [5, 6]
        assert (await read(line, 6)).error is LineError.UNAVAILABLE
        assert registers(await recovered(line)) == [7, 8]
        assert server.connections == 2

    run_against(script, play)


def test_a_connection_that_the_peer_closed_meanwhile_costs_no_transaction() -> None:
    """Gateways close what is idle; the next read connects again instead of failing on the old one."""
    closed = asyncio.Event()

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await echo_address(asked, writer)
        if number == 0:
            writer.close()
            closed.set()

    async def play(line: TcpLine, server: Peer) -> None:
        assert registers(await read(line, 5)) == [5, 6]
        await closed.wait()
        await until(lambda: asyncio.sleep(0, result=ended(line)), bool)
        assert registers(await read(line, 7)) == [7, 8]
        assert [asked.pdu[2] for asked in server.asked] == [5, 7]

    run_against(script, play)


def test_connecting_is_tried_once_in_an_interval() -> None:
    """Until then the line is unavailable and leaves the peer in peace."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        async with peer(script) as server:
            line = TcpLine("tcp", HOST, server.port, reconnect_interval_s=1e6)
            for _ in range(5):
                assert (await read(line, 0)).error is LineError.UNAVAILABLE
            assert (server.connections, len(server.asked)) == (1, 1)
            await line.close()

    asyncio.run(main())


def test_a_silent_peer_is_called_anew_after_some_timeouts() -> None:
    """Nothing on a half-dead connection says that it is dead."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number >= SILENT_TRANSACTIONS_MAX:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        for _ in range(SILENT_TRANSACTIONS_MAX):
            assert (await read(line, 1, timeout_s=SHORT_S)).error is LineError.TIMEOUT
        assert registers(await recovered(line)) == [7, 8]
        assert server.connections == 2

    run_against(script, play)


@pytest.mark.parametrize(
    ("pdu", "unit_id", "error"),
    [
        (b"\x03\x04\0\1\0\2", 2, LineError.WRONG_UNIT),
        (b"\x04\x04\0\1\0\2", 1, LineError.WRONG_FUNCTION),
        (b"\x84\x02", 1, LineError.WRONG_FUNCTION),
        (b"\x03\x02\0\1", 1, LineError.WRONG_LENGTH),
        (b"\x83\x02\0", 1, LineError.WRONG_FUNCTION),
    ],
)
def test_a_sound_message_that_answers_something_else_is_named(
    pdu: bytes, unit_id: int, error: LineError
) -> None:
    """The connection is in step and is kept."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(message(asked.transaction, unit_id, pdu))
        else:
            await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        outcome = await read(line, 1)
        assert (outcome.pdu, outcome.error) == (None, error)
        assert registers(await read(line, 9)) == [9, 10]
        assert server.connections == 1

    run_against(script, play)


def test_closing_waits_for_the_transaction_under_way() -> None:
    """It has its answer; what waited behind it is told."""
    closing: list[asyncio.Task[None]] = []
    lines: list[TcpLine] = []

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        closing.append(asyncio.create_task(lines[0].close()))
        await asyncio.sleep(0)
        await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        lines.append(line)
        assert registers(await read(line, 5)) == [5, 6]
        await closing[0]
        assert (await read(line, 6)).error is LineError.UNAVAILABLE
        assert len(server.asked) == 1

    run_against(script, play)


def test_transaction_numbers_begin_again_after_65535() -> None:
    """Two bytes hold them."""

    async def script(number: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await echo_address(asked, writer)

    async def play(line: TcpLine, server: Peer) -> None:
        assert registers(await read(line, 9)) == [9, 10]
        assert line._endpoint.current is not None
        line._endpoint.current._transaction = 0xFFFE
        for address in range(4):
            assert registers(await read(line, address)) == [address, address + 1]
        assert [asked.transaction for asked in server.asked] == [1, 0xFFFF, 0, 1, 2]

    run_against(script, play)


def test_a_device_gets_the_rest_it_needs_before_each_request() -> None:
    """A serial device behind an endpoint may need one as well."""

    async def main(port: int) -> None:
        line = TcpLine("endpoint", HOST, port)
        first = await line.transact(read_request(1, 0, 1, timeout_s=LONG_S))
        rested = replace(read_request(1, 0, 1, timeout_s=LONG_S), pause_s=SHORT_S)
        second = await line.transact(rested)
        await line.close()
        assert registers(second) == values_at(1, "holding_register", 0, 1)
        assert second.sent_ns - first.done_ns >= SHORT_S * 1e9 * 0.99

    with serving(addressed_bus(1)) as port:
        asyncio.run(main(port))
