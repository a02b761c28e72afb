"""Asking a running gateway over its local socket."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge.local.words import ANSWER_BYTES_MAX, SOCKET_NAME, Answer, News, Refused, Request, Streamed

TIMEOUT_S = 10.0
SILENCE_S = 60.0
"""So long a gateway may say nothing of what takes long."""
_NEWS = msgspec.json.Decoder(News)


class NoAnswerError(Exception):
    """Nobody answers, or not as one does; the text says where, why, and what to do."""


def streamed(folder: Path, request: Streamed, silence_s: float = SILENCE_S) -> Iterator[News]:
    """Yield what a gateway tells while it does what takes long; the last is no ``Going``. NoAnswerError."""
    where = folder / SOCKET_NAME
    with _explained(where, silence_s), _connected(folder, silence_s) as link, link.makefile("rb") as file:
        link.sendall(msgspec.json.encode(request) + b"\n")
        for line in iter(lambda: file.readline(ANSWER_BYTES_MAX), b""):
            yield _news(where, line)


def _news(where: Path, line: bytes) -> News:
    try:
        told: News = _NEWS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            answer = msgspec.json.decode(line, type=Answer)  # of a gateway that does not know the request
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NoAnswerError(
                f"{where}: the answer is none of this version's: {error}; restart the gateway after an update"
            ) from error
        return Refused(answer.refused)
    return told


def asked(folder: Path, request: Request, timeout_s: float = TIMEOUT_S) -> Answer:
    """Return the answer of the gateway whose state folder this is; NoAnswerError."""
    where = folder / SOCKET_NAME
    with _explained(where, timeout_s):
        told = _exchanged(folder, msgspec.json.encode(request) + b"\n", timeout_s)
    try:
        return msgspec.json.decode(told, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswerError(
            f"{where}: the answer is none of this version's: {error}; restart the gateway after an update"
        ) from error


@contextlib.contextmanager
def _explained(where: Path, timeout_s: float) -> Iterator[None]:
    """Turn what a socket says into NoAnswerError, with what to do."""
    try:
        yield
    except FileNotFoundError as error:
        remedy = "start it with `gengfu edge run`, or name its settings with --settings"
        raise NoAnswerError(f"{where} is not there: no gateway runs with these settings; {remedy}") from error
    except ConnectionRefusedError as error:
        remedy = "it was killed, and has left its socket; start it again"
        raise NoAnswerError(f"{where}: no gateway answers: {remedy}") from error
    except PermissionError as error:
        remedy = "ask as root (sudo), or as the user that the gateway runs as"
        raise NoAnswerError(f"{where}: you may not ask: {remedy}") from error
    except TimeoutError as error:
        remedy = "look at its log, and at `gengfu edge lines`"
        raise NoAnswerError(f"{where}: no answer within {timeout_s:g} s; {remedy}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NoAnswerError(f"{where}: {reason}; try again") from error


@contextlib.contextmanager
def _connected(folder: Path, timeout_s: float) -> Iterator[socket.socket]:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
            yield link
    finally:
        os.close(descriptor)


def _exchanged(folder: Path, message: bytes, timeout_s: float) -> bytes:
    with _connected(folder, timeout_s) as link:
        link.sendall(message)
        told = bytearray()
        while not told.endswith(b"\n"):
            if not (more := link.recv(65_536)):
                raise ConnectionResetError("it hung up")
            told += more
            if len(told) > ANSWER_BYTES_MAX:
                raise OSError(f"it answers more than {ANSWER_BYTES_MAX} bytes")
    return bytes(told)
