"""What follows an attempt to send, or a question about one. Pure: nothing goes out twice by mistake."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from collector.platforms.protocol import (
    Answered,
    CannotSay,
    Capabilities,
    Found,
    LookedUp,
    NotSent,
    NotThere,
    Perhaps,
    Refused,
    Status,
    Taken,
    Untold,
)

LOOK_THERE = "the platform may have it, and it cannot be asked nor tell a repetition; look there first"


@dataclass(frozen=True, slots=True)
class Filed:
    """The platform has it; ``number`` is what it calls the case, if it said so."""

    number: str = ""
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """It is not for this platform."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send it later (again); ``perhaps``: the platform may have it, which its key makes harmless.

    ``after`` is the platform's own Retry-After.
    """

    reason: str
    after: str = ""
    perhaps: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the platform whether it has it, before anything else."""

    reason: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class NeedsPerson:
    """Somebody has to look; ``perhaps``: the platform may have it."""

    reason: str
    perhaps: bool = False


Verdict = Filed | Skipped | Retry | Ask | NeedsPerson


def judge(  # noqa: PLR0911 - a table reads best as one
    answered: Answered, abilities: Capabilities, *, perhaps: bool = False
) -> Verdict:
    """Say what follows; ``perhaps``: an attempt before this one may have been taken."""
    match answered:
        case Taken(number, status):
            return Filed(number, status)
        case Untold():
            return Skipped()
        case NotSent(reason, after):
            return Retry(reason, after, perhaps)
        case Perhaps(reason, after):
            if abilities.can_look_up:
                return Ask(reason, after)
            if abilities.has_key:
                return Retry(reason, after, perhaps=True)
            return NeedsPerson(f"{reason}: {LOOK_THERE}", perhaps=True)
        case Refused(reason):
            if perhaps and abilities.can_look_up:
                return Ask(reason)
            if perhaps:
                told = f"{reason}; but it may have been taken before: look there first"
                return NeedsPerson(told, perhaps=True)
            return NeedsPerson(reason)


def judge_look_up(looked: LookedUp, reason: str) -> Verdict:
    """Say what follows an answer to whether the platform has it; ``reason`` is why it was asked."""
    match looked:
        case Found(number, status):
            return Filed(number, status)
        case NotThere():
            return Retry(reason)
        case CannotSay(said, after):
            return Ask(f"{reason}; asked for it: {said}"[-500:], after)


def interrupted(abilities: Capabilities) -> Verdict:
    """Say what follows where the centre ended in the middle of sending."""
    return judge(Perhaps("interrupted while it was being sent"), abilities)


def given_up(verdict: Verdict, attempts: int, attempts_max: int) -> Verdict:
    """Leave to a person what was tried often enough."""
    if not isinstance(verdict, Retry | Ask) or attempts < attempts_max:
        return verdict
    perhaps = isinstance(verdict, Ask) or verdict.perhaps
    return NeedsPerson(f"given up after {attempts} attempts; the last: {verdict.reason}", perhaps)


def wait_s(
    attempts: int, after: str, *, shortest_s: float, longest_s: float, after_max_s: float,
    now_ms: int, random: Random,
) -> float:  # fmt: skip
    """Return how long to wait after so many attempts: Retry-After, else doubled each time with jitter."""
    asked_s = _retry_after_s(after, now_ms)
    if asked_s is not None:
        return max(shortest_s, min(asked_s, after_max_s))
    return min(shortest_s * 2.0 ** min(attempts - 1, 30), longest_s) * (0.5 + random.random() / 2)


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
