"""What becomes of a message after an attempt. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from collector.telling.facts import State
from collector.telling.outgoing import Accepted, Answer
from collector.telling.settings import SendingRules

INTERRUPTED = "interrupted while it was being sent"


@dataclass(frozen=True, slots=True)
class Attempted:
    """A message as it was tried: ``attempts`` with this one; ``others`` are channels not tried yet."""

    highest: bool
    at_ms: int
    attempts: int
    on_channel: int
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where it stands now; ``channel`` is another one to go on with, ``wait_s`` how long first."""

    state: State
    reason: str = ""
    wait_s: float = 0
    channel: str = ""


def judge(
    attempted: Attempted, answer: Answer, rules: SendingRules, *, dead: bool, now_ms: int, random: Random
) -> Verdict:
    """Return what follows from an answer; ``dead``: the channel failed too often to wait for it.

    The highest priority is on all channels already, so each of its messages stays with its own.
    """
    if isinstance(answer, Accepted):
        return Verdict(State.SENT, answer.detail)
    used_up = attempted.on_channel >= rules.attempts_per_channel_max
    if attempted.others and not attempted.highest and (answer.lasting or dead or used_up):
        return Verdict(State.WAITING, answer.reason, channel=attempted.others[0])
    if answer.lasting:
        return Verdict(State.FAILED, answer.reason)
    if attempted.attempts >= rules.attempts_max:
        return Verdict(State.GIVEN_UP, f"after {attempted.attempts} attempts: {answer.reason}")
    if now_ms - attempted.at_ms > rules.give_up_after_s * 1000:
        return Verdict(State.GIVEN_UP, f"too old after {rules.give_up_after_s:g} s: {answer.reason}")
    return Verdict(State.WAITING, answer.reason, wait_s(attempted.attempts, rules, random))


def wait_s(attempts: int, rules: SendingRules, random: Random) -> float:
    """Return how long to wait: doubled each time, with a random part."""
    longest = min(rules.retry_max_s, rules.retry_min_s * 2.0 ** min(attempts - 1, 30))
    return longest * random.uniform(0.5, 1.0)


def interrupted(*, highest: bool) -> Verdict:
    """Return what becomes of a message that was being sent when the centre ended: perhaps it was sent.

    The highest priority is sent again: a double is better than silence. Anything else is not: it climbs to
    the next level where nobody acknowledges.
    """
    if highest:
        return Verdict(State.WAITING, f"{INTERRUPTED}; sent again")
    return Verdict(State.PERHAPS_SENT, INTERRUPTED)
