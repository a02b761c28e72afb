"""The line machine on real ptys, in real time: values, callers, and ports that come and go."""

import asyncio
import os
import select
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.lines.line import LineError, Outcome
from edge.lines.port import SerialSettings
from edge.lines.serial_port import QUEUED_REQUESTS_MAX, SerialLine
from edge.lines.timing import Timing
from simulators.addressed import addressed_bus, value_at, values_at
from simulators.bus import Bus
from simulators.pty_line import PtyLine
from simulators.wire import SimulatedWire
from tests.edge.support import read_request, registers, until

BAUD = 115_200
TIMEOUT_S = 2.0
"""Generous: a busy machine may keep a thread waiting."""


@contextmanager
def serving(link: Path, bus: Bus | None = None) -> Iterator[SimulatedWire]:
    """Serve a bus (by default units 1 and 2) on a pty behind ``link``."""
    wire = SimulatedWire(bus or addressed_bus(1, 2), BAUD)
    pty = PtyLine(wire, link)
    pty.start()
    try:
        yield wire
    finally:
        pty.stop()


def line_on(port: Path) -> SerialLine:
    """Return a line on a port."""
    return SerialLine("bus", SerialSettings(str(port), BAUD), Timing.of(BAUD, "N", 1))


async def read(line: SerialLine, unit_id: int, address: int, count: int = 4) -> Outcome:
    """Read some registers."""
    return await line.transact(read_request(unit_id, address, count, timeout_s=TIMEOUT_S))


def test_values_arrive_over_a_pty(tmp_path: Path) -> None:
    """Forty reads in a row are right, and an exception is an answer."""

    async def play() -> None:
        with serving(tmp_path / "port"):
            line = line_on(tmp_path / "port")
            for index in range(40):
                outcome = await read(line, 1 + index % 2, 13 * index)
                assert registers(outcome) == values_at(1 + index % 2, "holding_register", 13 * index, 4)
            assert (await read(line, 1, 0xFFF0)).pdu == b"\x83\x02"
            await line.close()

    asyncio.run(play())


def test_many_callers_share_one_port(tmp_path: Path) -> None:
    """Thirty at once are served one after the other, each with its own values."""

    async def play() -> None:
        with serving(tmp_path / "port") as wire:
            line = line_on(tmp_path / "port")
            outcomes = await asyncio.gather(*(read(line, 1 + index % 2, index) for index in range(30)))
            for index, outcome in enumerate(outcomes):
                assert registers(outcome) == values_at(1 + index % 2, "holding_register", index, 4)
            assert wire.collisions == 0
            await line.close()

    asyncio.run(play())


def test_too_many_callers_are_refused_at_once(tmp_path: Path) -> None:
    """The queue has an end: beyond it the line is unavailable, and the others are served all the same."""

    async def play() -> None:
        with serving(tmp_path / "port"):
            line = line_on(tmp_path / "port")
            outcomes = await asyncio.gather(*(read(line, 1, 0) for _ in range(QUEUED_REQUESTS_MAX + 10)))
            refused = [outcome for outcome in outcomes if outcome.error is LineError.UNAVAILABLE]
            assert 9 <= len(refused) <= 10  # the thread may have taken the first one already
            served = [outcome for outcome in outcomes if outcome.error is None]
            assert len(served) == len(outcomes) - len(refused)
            await line.close()

    asyncio.run(play())


def test_a_port_that_vanishes_is_unavailable_and_is_opened_again(tmp_path: Path) -> None:
    """The adapter is pulled out and put in again: another pty stands behind the same link."""

    async def play() -> None:
        line = line_on(tmp_path / "port")
        with serving(tmp_path / "port"):
            outcome = await until(lambda: read(line, 1, 5), lambda outcome: outcome.error is None)
            assert registers(outcome) == values_at(1, "holding_register", 5, 4)
        assert (await read(line, 1, 5)).error is LineError.UNAVAILABLE
        with serving(tmp_path / "port"):
            outcome = await until(lambda: read(line, 2, 6), lambda outcome: outcome.error is None)
            assert registers(outcome) == values_at(2, "holding_register", 6, 4)
        await line.close()

    asyncio.run(play())


def test_a_port_that_vanishes_in_mid_answer_is_unavailable(tmp_path: Path) -> None:
    """The request under way does not wait for its timeout."""

    async def play() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        (tmp_path / "port").symlink_to(os.ttyname(slave))
        line = line_on(tmp_path / "port")
        under_way = asyncio.create_task(line.transact(read_request(1, 0, 4, timeout_s=60)))
        assert await asyncio.to_thread(os.read, master, 8) == read_frame()
        os.write(master, b"\x01\x03\x08")
        os.close(slave)
        os.close(master)
        assert (await under_way).error is LineError.UNAVAILABLE
        await line.close()

    asyncio.run(play())


def read_frame() -> bytes:
    """Return the request for four registers from 0, as it stands on the wire."""
    return bytes.fromhex("01 03 00 00 00 04 44 09")


def test_a_port_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    """So is a file that is no serial port."""
    (tmp_path / "file").write_text("no port\n")

    async def play() -> None:
        for name in ("missing", "file"):
            line = line_on(tmp_path / name)
            for _ in range(3):
                assert (await read(line, 1, 0)).error is LineError.UNAVAILABLE
            await line.close()

    asyncio.run(play())


def test_a_port_has_one_owner(tmp_path: Path) -> None:
    """The second line on a port, by another path, is unavailable as long as the first has it."""

    async def play() -> None:
        with serving(tmp_path / "port"):
            (tmp_path / "by-id").symlink_to((tmp_path / "port").resolve())
            first, second = line_on(tmp_path / "port"), line_on(tmp_path / "by-id")
            assert registers(await read(first, 1, 0, 1)) == [value_at(1, "holding_register", 0)]
            assert (await read(second, 1, 0)).error is LineError.UNAVAILABLE
            await first.close()
            outcome = await until(lambda: read(second, 1, 0, 1), lambda outcome: outcome.error is None)
            assert registers(outcome) == [value_at(1, "holding_register", 0)]
            await second.close()

    asyncio.run(play())


def test_closing_finishes_what_is_under_way_and_nothing_else(tmp_path: Path) -> None:
    """The transaction under way has its answer, those that waited are told, and a second close is nothing."""

    async def play() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        (tmp_path / "port").symlink_to(os.ttyname(slave))
        line = line_on(tmp_path / "port")
        calls = [asyncio.create_task(line.transact(read_request(1, 0, 4, timeout_s=60))) for _ in range(5)]
        assert await asyncio.to_thread(os.read, master, 8) == read_frame()
        closing = asyncio.create_task(line.close())
        await asyncio.sleep(0)  # the closing has begun
        os.write(master, bytes.fromhex("01 03 08 00 01 00 02 00 03 00 04 0D 14"))
        await closing
        assert registers(await calls[0]) == [1, 2, 3, 4]
        for call in calls[1:]:
            assert (await call).error is LineError.UNAVAILABLE
        assert (await read(line, 1, 0)).error is LineError.UNAVAILABLE
        await line.close()
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)  # nothing was sent for those that waited
        os.close(slave)
        os.close(master)

    asyncio.run(play())


def test_a_caller_that_has_gone_is_not_served(tmp_path: Path) -> None:
    """A request that nobody waits for any more is not sent: a switch thrown late is worse than none."""

    async def play() -> None:
        with serving(tmp_path / "port", addressed_bus(1, turnaround_ms=100)) as wire:
            line = line_on(tmp_path / "port")
            first = asyncio.create_task(read(line, 1, 0, 1))
            second = asyncio.create_task(read(line, 1, 1, 1))
            await asyncio.sleep(0)
            second.cancel()
            assert registers(await first) == [value_at(1, "holding_register", 0)]
            assert registers(await read(line, 1, 2, 1)) == [value_at(1, "holding_register", 2)]
            assert wire.requests == 2
            await line.close()

    asyncio.run(play())


def test_a_port_that_takes_no_bytes_is_unavailable(tmp_path: Path) -> None:
    """Nobody reads at the other end: once its buffers are full, writing ends after its own timeout."""

    async def play() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        (tmp_path / "port").symlink_to(os.ttyname(slave))
        os.set_blocking(slave, False)
        line = line_on(tmp_path / "port")

        async def attempt() -> Outcome:
            fill(
                slave
            )  # again and again: the kernel moves bytes on behind our back, and there is room once more
            return await line.transact(read_request(1, 0, 4, timeout_s=0.01))

        outcome = await until(attempt, lambda outcome: outcome.error is LineError.UNAVAILABLE)
        assert outcome.error is LineError.UNAVAILABLE
        await line.close()
        os.close(slave)
        os.close(master)

    asyncio.run(play())


def fill(descriptor: int) -> None:
    """Write until nothing more is taken, even after the kernel has moved on what it holds."""
    refused = 0
    while refused < 20:
        try:
            os.write(descriptor, bytes(256))
            refused = 0
        except BlockingIOError:
            refused += 1
            select.select([], [descriptor], [], 0.01)
