"""The chain of a feed's lines: each digest is over the one before and the line, so one digest stands for all.

Pure, and the same at both ends. SM3 (GB/T 32905) stands beside SHA-256, for receivers that may use only that.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash, HashAlgorithm

LINE_BYTES_MAX = 64 * 1024


class ChainError(ValueError):
    """A line is not what was told, or not the next one; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain stands: the number of its last line, and both digests. It begins empty."""

    sequence: int = 0
    sha256: str = "0" * 64
    sm3: str = "0" * 64

    def then(self, line: bytes) -> "Link":
        """Return where it stands after another line, without its end."""
        return Link(self.sequence + 1, _digest(SHA256(), self.sha256, line), _digest(SM3(), self.sm3, line))


@dataclass(frozen=True, slots=True)
class Record:
    """What a line says of a thing; ``body`` None: it is there no more."""

    sequence: int
    key: str
    version: int
    body: Mapping[str, Any] | None


def encode(record: Record) -> bytes:
    """Return the line: JSON in one form only."""
    told = {"sequence": record.sequence, "key": record.key, "version": record.version}
    told |= {"deleted": True} if record.body is None else {"body": record.body}
    return canonical(told)


def canonical(told: Any) -> bytes:
    """Return JSON with sorted keys and no blanks, UTF-8."""
    try:
        text = _dumped(told)
    except ValueError:
        text = _dumped(_finite(told))
    return text.encode("utf-8", "replace")


def decode(line: bytes, link: Link) -> tuple[Record, Link]:
    """Return what the line after ``link`` says and where the chain stands then; ChainError."""
    if len(line) > LINE_BYTES_MAX:
        raise ChainError(f"line {link.sequence + 1} is longer than {LINE_BYTES_MAX} bytes")
    try:
        told = json.loads(line)
        record = Record(
            _whole(told["sequence"]),
            _text(told["key"]),
            _whole(told["version"]),
            None if told.get("deleted") is True else _object(told["body"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ChainError(f"line {link.sequence + 1} cannot be read: {error}") from error
    if record.sequence != link.sequence + 1:
        raise ChainError(f"line {link.sequence + 1} is wanted, line {record.sequence} came")
    return record, link.then(line)


def digest(told: Any) -> str:
    """Return the SHA-256 of something that JSON can say."""
    return _digest(SHA256(), "", canonical(told))


def _digest(algorithm: HashAlgorithm, before: str, line: bytes) -> str:
    seen = Hash(algorithm)
    seen.update(bytes.fromhex(before))
    seen.update(line)
    return seen.finalize().hex()


def _dumped(told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _finite(told: Any) -> Any:
    """Return null in place of numbers that JSON has no words for."""
    if isinstance(told, dict):
        return {key: _finite(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_finite(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told


def _whole(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool):
        raise TypeError("a number is no whole number")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError("a key is no text")
    return told


def _object(told: Any) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise TypeError("a body is no object")
    return told
