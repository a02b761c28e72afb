"""Asking a running gateway over its local socket."""

import contextlib
import errno
import math
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge.local.words import ANSWER_BYTES_MAX, SOCKET_NAME, Answer, News, Refused, Request, Streamed

TIMEOUT_S = 10.0
SILENCE_S = 60.0
"""So long a gateway may say nothing of what takes long."""
TOO_MUCH = f"it answers more than {ANSWER_BYTES_MAX} bytes"
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NEWS = msgspec.json.Decoder(News)


class NoAnswerError(Exception):
    """Nobody answers, or not as one does; the text says where, why, and what to do.

    ``why`` is one word: absent, killed, denied, silent, broken or foreign; ``detail`` belongs to it.
    """

    def __init__(self, where: Path, why: str, text: str, detail: str = "") -> None:
        """``text`` follows ``where``."""
        super().__init__(f"{where}{text}")
        self.where, self.why, self.detail = where, why, detail


def asked(folder: Path, request: Request, timeout_s: float = TIMEOUT_S) -> Answer:
    """Return the answer of the gateway whose state folder this is; NoAnswerError.

    ``timeout_s`` is for the whole of it.
    """
    where = folder / SOCKET_NAME
    with _explained(where, timeout_s):
        told = _exchanged(folder, msgspec.json.encode(request) + b"\n", timeout_s)
    return _decoded(where, told)


def streamed(
    folder: Path, request: Streamed, silence_s: float = SILENCE_S, whole_s: float = math.inf
) -> Iterator[News]:
    """Yield what a gateway tells while it does what takes long; the last is no ``Going``. NoAnswerError.

    Each line of it may take ``silence_s``, and all of it ``whole_s``.
    """
    where, first_s = folder / SOCKET_NAME, min(silence_s, whole_s)
    until_s = time.monotonic() + whole_s
    with _explained(where, first_s), _connected(folder, first_s) as link:
        link.sendall(msgspec.json.encode(request) + b"\n")
        for line in _lines(link, silence_s, until_s):
            try:
                news: News = _NEWS.decode(line)
            except UNREADABLE:
                news = Refused(_decoded(where, line).refused)  # of a gateway that does not know the request
            yield news


def _decoded(where: Path, told: bytes) -> Answer:
    try:
        return msgspec.json.decode(told, type=Answer)
    except UNREADABLE as error:
        text = f": the answer is none of this version's: {error}; restart the gateway after an update"
        raise NoAnswerError(where, "foreign", text, str(error)) from error


@contextlib.contextmanager
def _explained(where: Path, timeout_s: float) -> Iterator[None]:
    """Turn what a socket says into NoAnswerError, with what to do."""
    try:
        yield
    except FileNotFoundError as error:
        remedy = "start it with `gengfu edge run`, or name its settings with --settings"
        raise NoAnswerError(
            where, "absent", f" is not there: no gateway runs with these settings; {remedy}"
        ) from error
    except ConnectionRefusedError as error:
        remedy = "it was killed, and has left its socket; start it again"
        raise NoAnswerError(where, "killed", f": no gateway answers: {remedy}") from error
    except PermissionError as error:
        remedy = "ask as root (sudo), or as the user that the gateway runs as"
        raise NoAnswerError(where, "denied", f": you may not ask: {remedy}") from error
    except TimeoutError as error:
        remedy = "look at its log, and at `gengfu edge lines`"
        raise NoAnswerError(
            where, "silent", f": no answer within {timeout_s:g} s; {remedy}", f"{timeout_s:g}"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NoAnswerError(where, "broken", f": {reason}; try again", reason) from error


@contextlib.contextmanager
def _connected(folder: Path, timeout_s: float) -> Iterator[socket.socket]:
    with contextlib.ExitStack() as opened:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, place)
        own = os.open(SOCKET_NAME, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        opened.callback(os.close, own)
        status = os.fstat(own)
        if not stat.S_ISSOCK(status.st_mode) or status.st_nlink != 1:
            raise OSError(errno.EINVAL, "it is no socket of a gateway's, remove it")
        link = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        link.settimeout(timeout_s)
        link.connect(f"/proc/self/fd/{own}")
        yield link


def _exchanged(folder: Path, message: bytes, timeout_s: float) -> bytes:
    until_s = time.monotonic() + timeout_s
    with _connected(folder, timeout_s) as link:
        link.sendall(message)
        told = bytearray()
        while not told.endswith(b"\n"):
            if not (more := _received(link, until_s)):
                raise ConnectionResetError("it hung up")
            told += more
            if len(told) > ANSWER_BYTES_MAX:
                raise OSError(TOO_MUCH)
    return bytes(told)


def _lines(link: socket.socket, silence_s: float, until_s: float) -> Iterator[bytes]:
    """Yield lines until the other side ends; TimeoutError after ``silence_s`` for one, or at ``until_s``."""
    held = bytearray()
    while True:
        line_until_s, looked = min(until_s, time.monotonic() + silence_s), 0
        while (end := held.find(b"\n", looked) + 1) == 0:
            looked = len(held)
            if looked > ANSWER_BYTES_MAX:
                raise OSError(TOO_MUCH)
            if not (more := _received(link, line_until_s)):
                if held:
                    yield bytes(held)
                return
            held += more
        yield bytes(held[:end])
        del held[:end]


def _received(link: socket.socket, until_s: float) -> bytes:
    if (left_s := until_s - time.monotonic()) <= 0:
        raise TimeoutError
    link.settimeout(left_s)
    return link.recv(65_536)
