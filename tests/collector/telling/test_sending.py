"""Messages leave: written before they are sent, tried again, over another channel, never twice by mistake."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from collector import patience
from collector.telling.facts import Kind
from collector.telling.outgoing import Accepted, Answer, Channel, Outgoing, Refused
from tests.collector.telling.centre import Centre, Pretended, centre
from tests.collector.telling.telling_world import HOUR, SECOND, directory, highest, incident, person

BOTH = [{"channel": "mail", "address": "w@example.org"}, {"channel": "sms", "address": "13800000000"}]
PEOPLE = directory(person("wang", channels=BOTH))


def accept(_: Outgoing) -> Answer:
    return Accepted()


def refuse(_: Outgoing) -> Answer:
    return Refused("connection refused")


def due(each: Centre, *numbers: int) -> None:
    """Let incidents begin and be told."""
    each.incidents.put(*(incident(number, each.now_ms) for number in numbers))
    each.look()
    each.forward(30 * SECOND)
    each.look()


def test_a_message_is_being_sent_before_it_is_sent_and_sent_once(tmp_path: Path) -> None:
    """So that an interruption is known as one."""
    with centre(tmp_path, PEOPLE) as each:
        seen: list[Any] = []

        def look(_: Outgoing) -> Answer:
            seen.extend(each.rows("state", "attempts"))
            return Accepted()

        due(each, 1)
        mail = Pretended("mail", look)
        asyncio.run(each.send({"mail": mail}))
        asyncio.run(each.send({"mail": mail}))
        assert seen == [("sending", 1)]
        assert each.rows("state", "attempts") == [("sent", 1)]
        [given] = mail.given
        assert (given.address, given.link) == (
            "w@example.org",
            f"https://centre.example.org/incidents/{1:032x}",
        )


def test_what_failed_is_tried_again_later_and_then_over_the_next_channel(tmp_path: Path) -> None:
    """With the same id, so that a double is recognisable."""
    with centre(tmp_path, PEOPLE) as each:
        due(each, 1)
        mail, sms = Pretended("mail", refuse), Pretended("sms", accept)
        channels: dict[str, Channel] = {"mail": mail, "sms": sms}
        for tries in range(1, 4):
            asyncio.run(each.send(channels))
            assert len(mail.given) == tries
            each.forward(4 * SECOND)
        asyncio.run(each.send(channels))
        assert each.rows("state", "channel", "tried") == [("sent", "sms", "mail")]
        assert {given.id for given in mail.given} == {given.id for given in sms.given}
        assert each.watched.told == ["mail fails", "sms works"]


def test_a_dead_channel_is_passed_over_and_tried_now_and_then(tmp_path: Path) -> None:
    """Until it works again, which is told as well."""
    with centre(tmp_path, PEOPLE) as each:
        works = [False]
        mail = Pretended("mail", lambda _: Accepted() if works[0] else Refused("no"))
        sms = Pretended("sms", accept)
        channels: dict[str, Channel] = {"mail": mail, "sms": sms}
        due(each, 1, 2, 3)
        asyncio.run(each.send(channels))
        failed = len(mail.given)
        due(each, 4)
        asyncio.run(each.send(channels))
        assert len(mail.given) == failed
        assert "mail fails" in each.watched.told
        works[0] = True
        each.forward(301 * SECOND)
        due(each, 5)
        asyncio.run(each.send(channels))
        assert len(mail.given) == failed + 1
        assert each.watched.told[-1] == "mail works"
        assert {state for (state,) in each.rows("state")} == {"sent"}


def test_what_no_channel_takes_is_given_up_with_its_reason(tmp_path: Path) -> None:
    """After a day; a lasting refusal at once."""
    with centre(tmp_path) as each:
        due(each, 1)
        mail = Pretended("mail", refuse)
        asyncio.run(each.send({"mail": mail}))
        each.forward(25 * HOUR)
        asyncio.run(each.send({"mail": mail}))
        state, reason = each.rows("state", "reason")[0]
        assert (state, "too old" in reason, "connection refused" in reason) == ("given_up", True, True)
        each.look()
        due(each, 2)
        lasting = Pretended("mail", lambda _: Refused("no such number", lasting=True))
        asyncio.run(each.send({"mail": lasting}))
        assert each.rows("state", "reason")[-1] == ("failed", "no such number")


def test_a_message_that_a_channel_cannot_even_try_goes_over_the_next_one_and_ends_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a lasting refusal of that message; what was raised may hold a secret, and is told nowhere."""

    secret = "secretword"  # not in a line that a trace shows

    def stumble(_: Outgoing) -> Answer:
        raise UnicodeError(secret)

    caplog.set_level(logging.DEBUG)
    with centre(tmp_path, PEOPLE) as each:
        due(each, 1)
        each.incidents.put(highest(9, each.now_ms))
        each.look()
        asyncio.run(each.send({"mail": Pretended("mail", stumble), "sms": Pretended("sms", accept)}))
        assert sorted(each.rows("highest", "state", "channel", "attempts")) == [
            (False, "sent", "sms", 2),
            (True, "failed", "mail", 1),
            (True, "sent", "sms", 1),
        ]
        [reason] = [reason for state, reason in each.rows("state", "reason") if state == "failed"]
    assert "UnicodeError" in reason
    assert "in stumble" in caplog.text
    assert secret not in reason + caplog.text


def test_a_mistake_while_an_answer_is_noted_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: what was sent is not sent again meanwhile."""
    monkeypatch.setattr(patience, "RETRY_S", 0.001)
    with centre(tmp_path, PEOPLE) as each:
        due(each, 1)
        left = [KeyError("a"), ValueError("b")]

        def mistaken(_connection: Connection, channel: str) -> None:
            if left:
                raise left.pop()
            each.watched.told.append(f"{channel} works")

        monkeypatch.setattr(each.watched, "working", mistaken)
        mail = Pretended("mail", accept)
        asyncio.run(each.send({"mail": mail}))
        assert (len(mail.given), each.watched.told) == (1, ["mail works"])
        assert each.rows("state", "attempts") == [("sent", 1)]


def test_the_highest_priority_leaves_first(tmp_path: Path) -> None:
    """However much waits before it."""
    with centre(tmp_path, PEOPLE) as each:
        due(each, 1, 2, 3)
        each.incidents.put(highest(9, each.now_ms))
        each.look()
        order: list[Outgoing] = []

        def keep(outgoing: Outgoing) -> Answer:
            order.append(outgoing)
            return Accepted()

        asyncio.run(each.send({"mail": Pretended("mail", keep), "sms": Pretended("sms", keep)}))
        assert [given.highest for given in order] == [True, True, False, False, False]


def test_after_a_kill_only_the_highest_priority_is_sent_again(tmp_path: Path) -> None:
    """The rest was perhaps sent, and says so."""

    with centre(tmp_path, PEOPLE) as each:
        due(each, 1)
        each.incidents.put(highest(9, each.now_ms))
        each.look()
        never: dict[str, Channel] = {"mail": Silent("mail"), "sms": Silent("sms")}

        async def interrupted() -> None:
            async with asyncio.TaskGroup() as tasks:
                await each.sender.send_due(each.people, never, tasks)
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()

        asyncio.run(interrupted())
        assert {state for (state,) in each.rows("state")} == {"sending"}
        known = each.incidents.facts
    with centre(tmp_path, PEOPLE) as again:
        again.incidents.facts = known
        again.forward(60 * SECOND)
        asyncio.run(again.sender.recover())
        assert sorted(again.rows("highest", "state")) == [
            (False, "perhaps_sent"),
            (True, "waiting"),
            (True, "waiting"),
        ]
        mail = Pretended("mail", accept)
        asyncio.run(again.send({"mail": mail, "sms": Pretended("sms", accept)}))
        assert [given.highest for given in mail.given] == [True]


class Silent:
    """A channel that never comes to an end."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, outgoing: Outgoing) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError


def test_whoever_left_the_people_file_is_not_written_to(tmp_path: Path) -> None:
    """Their messages end, with the reason."""
    with centre(tmp_path, PEOPLE) as each:
        due(each, 1)
        each.people = directory(person("li"))
        asyncio.run(each.send({}))
        assert each.rows("state") == [("failed",)]
        assert Kind.FIRST in each.rows("kind")[0]
