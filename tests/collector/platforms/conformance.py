"""What any connector to a city platform must do, whatever the platform does: checks for one connector each.

A ``Bench`` gives a connector, and tells what its platform really has. The first check is the one that all
others rest on: what a connector says of a message must be true.
"""

from collections.abc import Callable
from dataclasses import dataclass

from collector.platforms.protocol import (
    CannotSay,
    Connector,
    Found,
    NotSent,
    NotThere,
    Outgoing,
    Perhaps,
    Refused,
    Statuses,
    Taken,
    Untold,
)

PAYLOAD = {
    "number": "north-20270115-00001",
    "stage": "collected",
    "class": {"code": "020501", "title": {"en": "Burst", "zh": "爆管"}},
    "departments": {"in_charge": "城管局", "owner": "自来水公司", "maintainer": "抢修队"},
}
PAGES_MAX = 100


@dataclass(frozen=True)
class Bench:
    """A connector and its platform: ``kept`` counts the cases that it has of a key."""

    connector: Connector
    kept: Callable[[str], int]
    told_stage: Callable[[], int] = lambda: 0
    """How many events the platform has had."""


def message(number: int, kind: str = "opened") -> tuple[Outgoing, str]:
    """Return a message of some case and its key."""
    case_id = f"{number:032x}"
    return Outgoing(case_id, 1, kind, {"id": case_id, **PAYLOAD}), case_id


async def says_what_is_true(bench: Bench, count: int) -> list[str]:
    """What is said to be taken is there; what is said not to be is not. Return the kinds of answers."""
    kinds = []
    for number in range(count):
        outgoing, key = message(number)
        answered = await bench.connector.send(outgoing, key)
        kinds.append(type(answered).__name__)
        there = bench.kept(key)
        match answered:
            case Taken():
                assert there == 1, f"{key}: said to be taken, and is there {there} times"
            case NotSent(reason) | Refused(reason):
                assert there == 0, f"{key}: said not to be taken ({reason}), and is there"
                assert reason
            case Perhaps(reason):
                assert reason
            case Untold():
                raise AssertionError("a case that is opened is told to every platform")
    return kinds


async def knows_a_repetition(bench: Bench) -> None:
    """Under the same key a case is there once, and is called the same."""
    outgoing, key = message(1)
    numbers = set()
    for _ in range(3):
        answered = await bench.connector.send(outgoing, key)
        assert isinstance(answered, Taken)
        numbers.add(answered.number)
    assert bench.kept(key) == 1
    assert len(numbers) == 1


async def finds_what_is_there(bench: Bench) -> None:
    """What the platform has is found under the number that it was given, what it has not is not."""
    there, key = message(1)
    answered = await bench.connector.send(there, key)
    assert isinstance(answered, Taken)
    found = await bench.connector.look_up(there, key)
    assert isinstance(found, Found)
    assert found.number == answered.number
    other, other_key = message(2)
    assert isinstance(await bench.connector.look_up(other, other_key), NotThere)
    assert bench.kept(other_key) == 0


async def says_that_it_cannot_say(bench: Bench) -> None:
    """A platform that does not answer has neither found nor missed anything, and nothing was sent to it."""
    outgoing, key = message(1)
    assert isinstance(await bench.connector.send(outgoing, key), NotSent)
    assert isinstance(await bench.connector.look_up(outgoing, key), CannotSay)
    assert isinstance(await bench.connector.statuses(""), CannotSay)


async def tells_every_event_once(bench: Bench) -> None:
    """Page by page everything that happened is told; the same page again tells the same."""
    seen: list[str] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page = await bench.connector.statuses(cursor)
        assert isinstance(page, Statuses)
        assert page.problems == ()
        again = await bench.connector.statuses(cursor)
        assert isinstance(again, Statuses)
        assert [it.event_id for it in again.items][: len(page.items)] == [it.event_id for it in page.items]
        seen += [it.event_id for it in page.items]
        cursor = page.cursor
        if not page.more:
            break
    assert len(seen) == len(set(seen)) >= bench.told_stage() > 0


async def leaves_out_what_it_is_not_told(bench: Bench) -> None:
    """A kind of message that has no place there is none that failed."""
    outgoing, key = message(1, "no_such_kind")
    assert isinstance(await bench.connector.send(outgoing, key), Untold)
    assert bench.kept(key) == 0
