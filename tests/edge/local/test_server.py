"""The local socket: real sockets, in a folder with a long name; what is no request, and who may not ask."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from edge.buffer.errors import BufferUnusableError
from edge.local import server as server_module
from edge.local.answering import Answering
from edge.local.client import NoAnswerError, asked
from edge.local.server import CONNECTIONS_MAX, LocalServer
from edge.local.words import (
    REQUEST_BYTES_MAX,
    SOCKET_NAME,
    Answer,
    Explain,
    Lock,
    Maintain,
    Manual,
    Release,
    Request,
    Reset,
    State,
    Unlock,
)
from tests.edge.test_by_hand import NOW, Clock, Hand

LONG = (
    "a-folder-whose-name-is-much-longer-than-the-hundred-and-eight-bytes-that-the-path-of-a-socket-may-have"
)

KILLED = """
import os, signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder."""
    made = tmp_path / LONG
    made.mkdir()
    return made


def serving(folder: Path, hand: Hand, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Serve while the story lasts."""
    running_while(LocalServer(folder, Answering("gw-1", hand.by_hand, Clock())), story)


def running_while(server: LocalServer, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a server while the story lasts."""

    async def served() -> None:
        server.open()
        running = asyncio.create_task(server.run())
        try:
            await story()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            server.close()

    asyncio.run(served())


def answers(folder: Path, hand: Hand, *requests: Request) -> list[Any]:
    """Return the answers to these, each on a connection of its own."""
    told: list[Any] = []

    async def story() -> None:
        told.extend([await asyncio.to_thread(asked, folder, request) for request in requests])

    serving(folder, hand, story)
    return told


def test_every_request_reaches_the_rules_with_the_name_of_whoever_asks(folder: Path) -> None:
    """The system says who is at the other end; another name is told beside it."""
    import pwd

    login = pwd.getpwuid(os.getuid()).pw_name
    hand, output = Hand(), "relays/relay_1"
    requests = (
        Lock(output, login),
        Unlock(output, "li"),
        Manual(output, True, 60.0, "li"),
        Release(output, "li"),
        Maintain("relays", 60.0, "li"),
        Maintain("relays", None, "li"),
        Reset("burst", "li"),
        Explain("burst"),
        State(),
    )
    told = answers(folder, hand, *requests)
    assert [each.refused for each in told] == [""] * len(requests)
    who = "li" if login == "li" else f"li (as {login})"
    did = [each for each in hand.rules.asked if each[0] != "explain"]
    assert [each[-1] for each in did[:3]] == [login, who, who]
    assert [each.until_ms for each in told[2:6]] == [NOW.wall_ms + 60_000, 0, NOW.wall_ms + 60_000, 0]
    assert [rule.state for rule in told[7].rules] == ["normal"]
    assert [rule.name for rule in told[8].rules] == ["burst"]
    assert not (folder / SOCKET_NAME).exists()


def test_what_cannot_be_done_is_told(folder: Path) -> None:
    """With the nearest name, or in the rules' own words."""
    hand = Hand()
    hand.rules.refuses = "locked by wang"
    told = answers(folder, hand, Lock("relays/relay_1", "li"), Reset("brust", "li"))
    assert [each.refused for each in told] == [
        "locked by wang",
        "there is no alarm 'brust' here; write burst",
    ]


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\n",
        b'{"ask":"shutdown"}\n',
        b'{"ask":"lock","output":"a/b"}\n',
        b'{"ask":"lock","output":"a/b","who":""}\n',
        b'{"ask":"lock","output":"a/b","who":"li\\u001b[2J"}\n',
        b'{"ask":"manual","output":"a/b","on":true,"for_s":-1,"who":"li"}\n',
        b"[" * 3_000 + b"\n",
        b"\xff\xfe\n",
        b"x" * (REQUEST_BYTES_MAX + 10),
    ],
)
def test_noise_is_answered_and_does_nothing(folder: Path, noise: bytes) -> None:
    """And the next request is as good as ever."""
    hand = Hand()

    async def story() -> None:
        reader, writer = await connected(folder)
        writer.write(noise)
        told = json.loads(await reader.readline())
        assert told["refused"]
        writer.close()
        assert (await asyncio.to_thread(asked, folder, State())).refused == ""

    serving(folder, hand, story)
    assert {each[0] for each in hand.rules.asked} <= {"explain"}


async def connected(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as the client does."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
    finally:
        os.close(descriptor)


def test_connections_are_bounded_and_the_idle_are_let_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says nothing for long makes room."""
    monkeypatch.setattr(server_module, "IDLE_S", 1.0)

    async def story() -> None:
        idle = [await connected(folder) for _ in range(CONNECTIONS_MAX)]
        reader, beyond = await connected(folder)
        assert "too many" in json.loads(await reader.readline())["refused"]
        beyond.close()
        assert [await each.read() for each, _ in idle] == [b""] * CONNECTIONS_MAX
        assert (await asyncio.to_thread(asked, folder, State())).refused == ""
        for _, writer in idle:
            writer.close()

    serving(folder, Hand(), story)


def test_who_takes_no_answer_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection does not stay open behind the others' backs: so many are open as are counted."""
    monkeypatch.setattr(server_module, "IDLE_S", 0.3)
    hand = Hand()

    class Long(Answering):
        def refused(self, text: str) -> Answer:
            return super().refused("x" * 1_000_000)

    async def story() -> None:
        deaf: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for _ in range(3):
            for _ in range(CONNECTIONS_MAX):
                link = await connected(folder)
                link[0]._transport.pause_reading()  # type: ignore[attr-defined]
                link[1].write(b"hello\n" * 20)
                deaf.append(link)
            async with asyncio.timeout(20):
                while server._connections or _open_sockets() > 1:
                    await asyncio.sleep(0.05)
        for _, writer in deaf:
            writer.close()

    server = LocalServer(folder, Long("gw-1", hand.by_hand, Clock()))
    running_while(server, story)


def _open_sockets() -> int:
    """Return how many sockets of the server's are open in this process: the listener, and connections."""
    lines = Path("/proc/self/net/unix").read_text().splitlines()
    inodes = {line.split()[6] for line in lines if line.endswith(f"/{SOCKET_NAME}")}
    open_now = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(link == f"socket:[{inode}]" for inode in inodes for link in open_now)


def test_the_socket_is_its_owner_s_alone(folder: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:

        async def story() -> None:
            assert (folder / SOCKET_NAME).stat().st_mode & 0o777 == 0o600

        serving(folder, Hand(), story)
    finally:
        os.umask(before)


def test_the_socket_of_a_killed_gateway_is_replaced_and_a_live_one_is_not(folder: Path) -> None:
    """A killed process leaves its socket behind; nobody answers there."""
    subprocess.run([sys.executable, "-c", KILLED, SOCKET_NAME], check=False, cwd=folder)
    assert (folder / SOCKET_NAME).is_socket()
    with pytest.raises(NoAnswerError, match="was killed"):
        asked(folder, State())

    async def story() -> None:
        assert (await asyncio.to_thread(asked, folder, State())).gateway == "gw-1"
        second = LocalServer(folder, Answering("gw-2", Hand().by_hand, Clock()))
        with pytest.raises(BufferUnusableError, match="in use by another gateway"):
            second.open()
        second.close()
        assert (await asyncio.to_thread(asked, folder, State())).gateway == "gw-1"

    serving(folder, Hand(), story)


def test_a_live_socket_that_takes_nobody_is_told_at_once(folder: Path) -> None:
    """A gateway that was stopped in the middle has a full queue: the second does not wait for it for ever."""
    descriptor = os.open(folder, os.O_PATH)
    path = f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    with contextlib.ExitStack() as open_now, socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(path)
        stopped.listen(1)
        with contextlib.suppress(BlockingIOError):
            while True:
                link = open_now.enter_context(socket.socket(socket.AF_UNIX))
                link.setblocking(False)
                link.connect(path)
        ended: list[Exception] = []

        def begin() -> None:
            try:
                LocalServer(folder, Answering("gw-2", Hand().by_hand, Clock())).open()
            except BufferUnusableError as error:
                ended.append(error)

        thread = threading.Thread(target=begin, daemon=True)
        thread.start()
        thread.join(10)
        assert ["in use by another gateway" in str(each) for each in ended] == [True]
    os.close(descriptor)


def test_a_disk_that_takes_no_socket_does_not_keep_the_gateway_from_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens as soon as the folder takes one."""
    monkeypatch.setattr(server_module, "RETRY_S", 0.05)
    missing = tmp_path / "later"

    async def story() -> None:
        assert not missing.exists()
        missing.mkdir()
        async with asyncio.timeout(10):
            while not (missing / SOCKET_NAME).exists():
                await asyncio.sleep(0.02)
        assert (await asyncio.to_thread(asked, missing, State())).refused == ""

    serving(missing, Hand(), story)


def test_whoever_asks_where_nobody_answers_is_told_what_to_do(folder: Path) -> None:
    """No socket; one that says nothing; one that hangs up; one that is no gateway's."""
    with pytest.raises(NoAnswerError, match="gengfu edge run"):
        asked(folder, State())
    with pytest.raises(NoAnswerError, match="no gateway runs"):
        asked(folder / "nowhere", State())
    descriptor = os.open(folder, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
        silent.listen()
        with pytest.raises(NoAnswerError, match="no answer within"):
            asked(folder, State(), timeout_s=0.1)
    os.close(descriptor)


def test_the_whole_answer_comes_in_time_or_not_at_all(folder: Path) -> None:
    """Whoever sends it by the byte is waited for no longer than whoever sends nothing."""
    descriptor = os.open(folder, os.O_PATH)
    enough = threading.Event()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.bind(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
        slow.listen()

        def trickle() -> None:
            link, _ = slow.accept()
            with link, contextlib.suppress(OSError):
                while not enough.wait(0.05):
                    link.send(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        told: list[Exception] = []

        def ask() -> None:
            try:
                asked(folder, State(), timeout_s=0.3)
            except NoAnswerError as error:
                told.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(10)
        in_time = not asking.is_alive()
        enough.set()
        thread.join()
        asking.join()
        assert in_time
        assert "no answer within 0.3 s" in str(told[0])
    os.close(descriptor)
