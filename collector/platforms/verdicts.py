"""What an attempt to send a case means: pure decisions, so that nothing is ever sent twice by mistake."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

RETRY_STATUSES = (408, 425, 429)
REFUSED_STATUSES = (408, 425, 429, 503)
"""Answers that say that nothing was done, so that even without a key the case may be sent again."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The platform answered with this status and (the beginning of) this body."""

    status: int
    body: bytes
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never left, or was never heard: no connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may have been heard; no answer, or none that could be read."""

    reason: str


Attempt = Answered | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class Filed:
    """The platform has the case; ``number`` is what it calls it, if it said so."""

    number: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Send it again later; ``after`` is the platform's own Retry-After."""

    reason: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class NeedsPerson:
    """Somebody has to look."""

    reason: str


Verdict = Filed | Retry | NeedsPerson


def judge(attempt: Attempt, *, has_key: bool) -> Verdict:
    """Say what follows; ``has_key``: the platform recognises a case that it has been sent before."""
    match attempt:
        case NotSent(reason):
            return Retry(reason)
        case Unknown(reason):
            return _perhaps(reason, has_key)
        case Answered(status, body, retry_after):
            if 200 <= status < 300:
                return _accepted(status, body, has_key)
            if status in RETRY_STATUSES or (status >= 500 and (has_key or status in REFUSED_STATUSES)):
                return Retry(f"answered {status}", retry_after)
            if status >= 500:
                return _perhaps(f"answered {status}", has_key)
            said = body[:200].decode(errors="replace").strip()
            return NeedsPerson(f"answered {status}: {said}" if said else f"answered {status}")


def wait_s(
    attempts: int, retry: Retry, *, shortest_s: float, longest_s: float, after_max_s: float,
    now_ms: int, random: Random,
) -> float:  # fmt: skip
    """Return how long to wait after so many attempts: Retry-After, else doubled each time with jitter."""
    asked_s = _retry_after_s(retry.after, now_ms)
    if asked_s is not None:
        return max(shortest_s, min(asked_s, after_max_s))
    return min(shortest_s * 2.0 ** min(attempts - 1, 30), longest_s) * (0.5 + random.random() / 2)


def _accepted(status: int, body: bytes, has_key: bool) -> Verdict:
    if not body.strip():
        return Filed("")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return _perhaps(f"answered {status}, but with no JSON object", has_key)
    number = told.get("number", "")
    if not isinstance(number, str):
        return Filed("")
    return Filed(number[:100].encode(errors="replace").decode())  # JSON may hold half a character


def _perhaps(reason: str, has_key: bool) -> Verdict:
    if has_key:
        return Retry(reason)
    return NeedsPerson(
        f"{reason}: the platform may have it, and it cannot tell a repetition; look there first"
    )


def _retry_after_s(text: str, now_ms: int) -> float | None:
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds())
