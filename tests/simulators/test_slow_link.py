"""The slow link carries what it is given, no faster than it may, and resets both ends."""

import asyncio
import contextlib
import time

from simulators.slow_link import SlowLink


def test_bytes_arrive_whole_in_order_and_no_sooner_than_the_rate_allows() -> None:
    """100,000 bytes at 4 Mbit/s take 0.2 s at least, and the delay there and back comes on top."""
    sent = bytes(range(250)) * 400

    async def play() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(len(sent)))
            await writer.drain()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with SlowLink(
            "127.0.0.1", server.sockets[0].getsockname()[1], bits_per_s=4_000_000, delay_s=0.05
        ) as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            since_s = time.monotonic()
            writer.write(sent)
            assert await reader.readexactly(len(sent)) == sent
            took_s = time.monotonic() - since_s
            writer.close()
        server.close()
        assert link.up.carried == link.down.carried == len(sent)
        return took_s

    assert asyncio.run(play()) >= 2 * 0.2 + 4 * 0.05 - 0.01


def test_a_reset_reaches_both_ends() -> None:
    """Neither end has to find out by itself."""

    async def play() -> None:
        ended = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            try:
                await reader.read()
            except ConnectionResetError:
                ended.set()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with SlowLink("127.0.0.1", port, bits_per_s=1e6, delay_s=0.01) as link:
            reader, _ = await asyncio.open_connection("127.0.0.1", link.port)
            assert await reader.readexactly(5) == b"hello"
            link.reset()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            await asyncio.wait_for(ended.wait(), 10)
        server.close()

    asyncio.run(play())
