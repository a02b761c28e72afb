"""What is planned is written with what was told, in one transaction; a restart plans nothing twice."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from collector.telling import book as telling_book
from collector.telling.tables import message_incidents
from collector.telling.tables import told as told_table
from tests.collector.making import rows
from tests.collector.telling.centre import centre
from tests.collector.telling.telling_world import MINUTE, SECOND, directory, highest, incident, person

TWO_CHANNELS = [{"channel": "mail", "address": "w@example.org"}, {"channel": "sms", "address": "13800000000"}]


def test_a_message_is_written_once_with_its_link_and_its_digest(tmp_path: Path) -> None:
    """It waits to be sent."""
    with centre(tmp_path) as each:
        each.incidents.put(incident())
        each.look()
        assert each.rows("id") == []
        each.forward(30 * SECOND)
        each.look()
        each.look()
        [(kind, person_, channel, state, body)] = each.rows("kind", "person", "channel", "state", "body")
        assert (kind, person_, channel, state) == ("first", "wang", "mail", "waiting")
        assert f"https://centre.example.org/incidents/{1:032x}" in body
        assert len(each.rows("digest")[0][0]) == 64


def test_the_highest_priority_goes_to_every_channel_once(tmp_path: Path) -> None:
    """A message for each, with ids of their own; the rest to the first channel."""
    people = directory(person("wang", channels=TWO_CHANNELS))
    with centre(tmp_path, people) as each:
        each.incidents.put(highest(1), incident(2))
        each.look()
        assert each.rows("channel", "highest") == [("mail", True), ("sms", True)]
        assert len(set(each.rows("id"))) == 2
        each.forward(30 * SECOND)
        each.look()
        assert each.rows("channel", "highest")[2:] == [("mail", False)]


def test_a_restart_in_the_middle_plans_nothing_twice(tmp_path: Path) -> None:
    """The database is all that telling remembers."""
    with centre(tmp_path) as each:
        each.incidents.put(incident(1), highest(2))
        each.forward(30 * SECOND)
        each.look()
        before = each.rows("id")
        told = rows(each.state, told_table)
        known = each.incidents.facts
    with centre(tmp_path) as again:
        again.incidents.facts = known
        again.forward(30 * SECOND)
        again.look()
        again.look()
        assert again.rows("id") == before
        assert rows(again.state, told_table) == told
        again.forward(15 * MINUTE)
        again.look()
        assert again.rows("kind", "person")[2:] == [("escalation", "li"), ("escalation", "li")]


def test_a_transaction_that_fails_is_planned_again_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a message without memory, nor memory without a message."""
    with centre(tmp_path) as each:
        each.incidents.put(highest())

        def broken(*_: object) -> None:
            raise SQLAlchemyError("no space left")

        with monkeypatch.context() as patched:
            patched.setattr(telling_book, "_keep_message", broken)
            with pytest.raises(SQLAlchemyError):
                each.look()
        assert (each.rows("id"), rows(each.state, told_table)) == ([], [])
        each.look()
        assert each.rows("kind") == [("first",)]


def test_a_summary_says_which_incidents_it_told(tmp_path: Path) -> None:
    """A row for each, so that every telling can be accounted for."""
    with centre(tmp_path) as each:
        each.incidents.put(*(incident(number) for number in range(1, 13)))
        each.forward(30 * SECOND)
        each.look()
        [(kind, subject, body)] = each.rows("kind", "subject", "body")
        assert (kind, subject) == ("summary", "12 incidents, 0 of them over")
        assert body.count("\n") == 12  # ten of them, that there are more, the link
        query = select(message_incidents.c.incident_id, message_incidents.c.kind)
        found = each.state.read_now(lambda db: db.execute(query).all())
        assert {tuple(row) for row in found} == {(f"{number:032x}", "first") for number in range(1, 13)}


def test_incidents_that_are_gone_are_looked_for_once(tmp_path: Path) -> None:
    """What housekeeping dropped does not keep telling busy."""
    with centre(tmp_path) as each:
        each.incidents.put(incident())
        each.look()
        each.incidents.facts.clear()
        each.forward(30 * SECOND)
        each.look()
        assert [row.done for row in each.state.read_now(lambda db: db.execute(select(told_table)).all())] == [
            True
        ]


def test_what_is_said_is_in_the_language_of_whoever_reads_it(tmp_path: Path) -> None:
    """One line as subject, whatever a title holds."""
    people = directory(person("wang", language="zh"), person("li"))
    with centre(tmp_path, people) as each:
        each.incidents.put(incident(title_zh="供水管\r\n爆裂", title_en="Burst"))
        each.forward(30 * SECOND)
        each.look()
        subjects = dict(each.rows("person", "subject"))
        assert subjects == {"wang": "【高】供水管 爆裂", "li": "[high] Burst"}
        assert any("登录后确认" in body for (body,) in each.rows("body"))


def test_what_is_done_is_looked_at_no_more(tmp_path: Path) -> None:
    """Nothing of it stays due."""
    with centre(tmp_path) as each:
        each.incidents.put(highest())
        each.look()
        each.incidents.put(highest(closed_ms=each.now_ms, active=0))
        each.look()
        each.look()
        kept = each.state.read_now(lambda db: db.execute(select(told_table)).all())
        assert [(row.done, row.due_ms) for row in kept] == [(True, None), (True, None)]


def test_why_somebody_is_told_is_said_in_their_language(tmp_path: Path) -> None:
    """Table and level, and that nobody acknowledged."""
    people = directory(person("wang", language="zh"), person("li"))
    with centre(tmp_path, people) as each:
        each.incidents.put(incident())
        each.forward(30 * SECOND)
        each.look()
        each.forward(15 * MINUTE)
        each.look()
        bodies = each.rows("person", "body")
        assert "后备名单，第 1 级\n" in dict(bodies[:2])["wang"]
        assert "fallback, level 1\n" in dict(bodies[:2])["li"]
        assert "后备名单，第 1 级，无人确认" in dict(bodies[2:])["wang"]
