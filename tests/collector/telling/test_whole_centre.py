"""A whole centre tells: from an alarm in a batch to a mail at an SMTP server, and its interface."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from collector.service import Collector
from collector.tables import alarms, audit
from contract.events import AlarmRaised, Priority
from contract.topics import Lane
from tests.collector.making import (
    Clock,
    cleared,
    given,
    happened,
    projected,
    raised,
    rows,
    settings,
    standing,
    up,
)
from tests.collector.telling.test_channels import free_port, smtp
from toml_files import TomlFileError

PEOPLE = """schema = 1
fallback = ["wang"]
[[people]]
name = "wang"
title = "王师傅"
channels = [
  { channel = "mail", address = "wang@example.org" },
  { channel = "spare", address = "wang@example.org" },
]
[[people]]
name = "li"
title = "李工"
language = "en"
channels = [{ channel = "mail", address = "li@example.org" }]
[[on_call]]
name = "water"
classes = ["pipe_burst"]
areas = ["500103"]
levels = [["wang", "li"]]
"""
CHANNELS = """schema = 1
[[channels]]
name = "mail"
kind = "apprise"
url = "mailto://127.0.0.1:{port}?from=centre@example.org&to={{address}}&mode=insecure"
[[channels]]
name = "spare"
kind = "apprise"
url = "mailto://127.0.0.1:{spare}?from=centre@example.org&to={{address}}&mode=insecure"
"""
TABLES = """[telling]
people_file = "people.toml"
channels_file = "channels.toml"
public_url = "https://centre.example.org"
group_wait_s = 0
retry_min_s = 0.05
retry_max_s = 0.05
"""


@contextmanager
def centre(
    folder: Path, port: int, spare: int = 1, people: str = PEOPLE, limits: str = "", tables: str = ""
) -> Iterator[tuple[Collector, Clock]]:
    """Put a centre together that mails to these ports."""
    folder.mkdir(exist_ok=True)
    (folder / "people.toml").write_text(people)
    channels = folder / "channels.toml"
    channels.write_text(CHANNELS.format(port=port, spare=spare))
    channels.chmod(0o600)
    clock = Clock()
    with standing(settings(folder, tables=TABLES + tables, limits=limits), clock) as collector:
        yield collector, clock


def take(collector: Collector, sequence: int, *events: Any) -> None:
    """Let a gateway tell of events, and project them."""
    given(collector, [up(happened(sequence, *events), lane=Lane.EVENTS)])
    asyncio.run(projected(collector))


def burst(number: int, **changes: Any) -> AlarmRaised:
    """Return an alarm of a point of its own."""
    return raised(number, device=f"main-{number}", **changes)


async def told(collector: Collector, enough: Any) -> None:
    """Let the centre tell people until it is enough."""
    assert collector.telling.teller
    task = asyncio.create_task(collector.telling.teller.run())
    try:
        while not enough():
            assert not task.done(), task.result()
            await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait([task])


def ask(collector: Collector, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask the interface."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, f"/api/v1{path}", **more)

    return asyncio.run(asked())


def who(mails: list[EmailMessage]) -> list[tuple[str, str]]:
    """Return to whom mails went, with their subjects."""
    return sorted((mail["To"].addresses[0].addr_spec, str(mail["Subject"])) for mail in mails)


def test_exactly_the_right_mails_arrive(tmp_path: Path) -> None:
    """Each in the language of whoever reads it; then one all clear, and nothing twice after a restart."""
    with smtp() as (box, port), smtp() as (spare_box, spare):
        with centre(tmp_path, port, spare) as (collector, clock):
            take(collector, 1, burst(1))
            asyncio.run(told(collector, lambda: len(box.mails) == 2))
            assert who(box.mails) == [
                ("li@example.org", "[high] Water main burst: gw-1/main-1"),
                ("wang@example.org", "【高】自来水管破裂：gw-1/main-1"),
            ]
            [incident] = ask(collector, "GET", "/incidents").json()["items"]
            link = f"https://centre.example.org/incidents/{incident['id']}"
            assert all(link in str(mail.get_content()) for mail in box.mails)
            clock.now_ms += 60_000
            take(collector, 2, cleared(1))
            clock.now_ms += 700_000
            asyncio.run(collector.rooms.incident_keeping.look())
            asyncio.run(told(collector, lambda: len(box.mails) == 4))
            assert who(box.mails[2:]) == [
                ("li@example.org", "[high] All clear: Water main burst: gw-1/main-1"),
                ("wang@example.org", "【高】解除：自来水管破裂：gw-1/main-1"),
            ]
        with centre(tmp_path, port, spare) as (collector, clock):
            clock.now_ms += 800_000
            clock.ids = itertools.count(1_000)  # no id is given twice
            take(collector, 3, burst(2, priority=Priority.HIGHEST, time_ms=clock.now_ms))
            asyncio.run(told(collector, lambda: len(box.mails) == 6 and spare_box.mails))
        assert [subject for _, subject in who(box.mails[4:])] == [
            "[highest] Water main burst: gw-1/main-2",
            "【最高】自来水管破裂：gw-1/main-2",
        ]
        assert who(spare_box.mails) == [("wang@example.org", "【最高】自来水管破裂：gw-1/main-2")]


def test_a_get_never_acknowledges_and_a_post_does(tmp_path: Path) -> None:
    """Chat and mail programs open links by themselves."""
    with smtp() as (_box, port), centre(tmp_path, port) as (collector, _clock):
        take(collector, 1, burst(1))
        asyncio.run(collector.telling.teller.look() if collector.telling.teller else asyncio.sleep(0))
        [incident] = ask(collector, "GET", "/incidents").json()["items"]
        for path in (f"/incidents/{incident['id']}", "/messages", "/on-call", "/on-call/test"):
            assert ask(collector, "GET", path).status_code in (200, 405)
        path = f"/incidents/{incident['id']}/acknowledge"
        assert ask(collector, "GET", path).status_code == 405
        assert ask(collector, "GET", f"/incidents/{incident['id']}").json()["acked_ms"] is None
        done = ask(collector, "POST", path, json={"version": incident["version"]})
        assert done.status_code == 200, done.text
        assert ask(collector, "GET", f"/incidents/{incident['id']}").json()["acked_ms"] is not None


def test_what_is_shelved_is_told_when_the_shelving_ends(tmp_path: Path) -> None:
    """By the condition as it is then; what is planned is not told at all."""
    with smtp() as (_box, port), centre(tmp_path, port) as (collector, clock):
        teller = collector.telling.teller
        assert teller
        take(collector, 1, burst(1, planned=True))
        asyncio.run(teller.look())
        assert ask(collector, "GET", "/messages").json()["items"] == []
        take(collector, 2, burst(2))
        [row] = [
            each
            for each in ask(collector, "GET", "/conditions").json()["items"]
            if each["device"] == "main-2"
        ]
        shelve = {"version": row["version"], "for_s": 3600}
        answer = ask(collector, "POST", f"/conditions/{row['row']}/shelve", json=shelve)
        assert answer.status_code == 200, answer.text
        asyncio.run(teller.look())
        assert ask(collector, "GET", "/messages").json()["items"] == []
        clock.now_ms += 3_700_000
        asyncio.run(collector.rooms.alarm_timers.round())
        asyncio.run(teller.look())
        kinds = [each["kind"] for each in ask(collector, "GET", "/messages").json()["items"]]
        assert kinds == ["first", "first"]


def test_a_channel_that_fails_is_an_alarm_and_the_next_one_is_used(tmp_path: Path) -> None:
    """It is cleared when the channel works again."""
    with smtp() as (box, port), centre(tmp_path, free_port(), port) as (collector, _clock):
        take(collector, 1, *(burst(number) for number in (1, 2, 3)))
        asyncio.run(told(collector, lambda: any("通知通道故障" in mail["Subject"] for mail in box.mails)))
        burst_mails = [mail for mail in box.mails if "破裂" in mail["Subject"]]
        assert {mail["To"].addresses[0].addr_spec for mail in burst_mails} == {"wang@example.org"}
        standing_alarms = [
            row
            for row in collector.state.read_now(lambda db: db.execute(select(alarms)).all())
            if row.rule == "channel_failing"
        ]
        assert [(row.gateway, row.device, row.cleared_ms) for row in standing_alarms] == [
            ("centre", "mail", None)
        ]


def test_a_test_message_is_an_administrator_s_is_noted_and_is_limited(tmp_path: Path) -> None:
    """Its answer is where it stands; who asked is on the trail."""
    with smtp() as (_box, port), centre(tmp_path, port) as (collector, _clock):
        answer = ask(collector, "POST", "/on-call/test", json={"person": "wang"})
        assert answer.status_code == 202, answer.text
        [message] = ask(collector, "GET", "/messages", params={"person": "wang"}).json()["items"]
        assert (message["id"], message["kind"], message["state"]) == (answer.json()["id"], "test", "waiting")
        assert ask(collector, "POST", "/on-call/test", json={"person": "nobody"}).status_code == 404
        trail = rows(collector.state, audit)
        assert any("on_call.test" in row and "wang" in row for row in trail)
        codes = [
            ask(collector, "POST", "/on-call/test", json={"person": "li"}).status_code for _ in range(20)
        ]
        assert codes == [202] * 19 + [429]


def test_the_interface_says_who_would_be_told_and_why(tmp_path: Path) -> None:
    """Tables that were passed over with their reasons; pages go on by a cursor."""
    with smtp() as (_box, port), centre(tmp_path, port) as (collector, _clock):
        told = ask(
            collector, "GET", "/on-call", params={"class": "pipe_burst", "area": "500103001001"}
        ).json()
        assert told["table"] == "water"
        assert [each["name"] for each in told["steps"][0]["people"]] == ["wang", "li"]
        other = ask(collector, "GET", "/on-call", params={"class": "dust_high"}).json()
        assert (other["table"], other["passed_over"]) == (
            "fallback",
            [{"table": "water", "why": "is for other classes"}],
        )
        assert ask(collector, "GET", "/on-call", params={"lon": 1}).status_code == 422
        take(collector, 1, *(burst(number) for number in range(1, 4)))
        asyncio.run(collector.telling.teller.look() if collector.telling.teller else asyncio.sleep(0))
        first = ask(collector, "GET", "/messages", params={"limit": 4}).json()
        rest = ask(collector, "GET", "/messages", params={"limit": 4, "cursor": first["next"]}).json()
        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (4, 2, None)
        incident = first["items"][0]["incident_id"]
        its = ask(collector, "GET", "/messages", params={"incident": incident}).json()["items"]
        assert {each["incident_id"] for each in its} == {incident}


def test_an_edited_people_file_is_in_force_without_a_restart_and_a_bad_one_is_not(tmp_path: Path) -> None:
    """The last good one stays, and the health says why."""
    with smtp() as (_box, port), centre(tmp_path, port) as (collector, _clock):
        teller = collector.telling.teller
        assert teller
        path = tmp_path / "people.toml"
        path.write_text(PEOPLE.replace('["wang", "li"]', '["li"]'))
        asyncio.run(teller.files.look())
        told = ask(collector, "GET", "/on-call", params={"class": "pipe_burst", "area": "500103"}).json()
        assert [each["name"] for each in told["steps"][0]["people"]] == ["li"]
        path.write_text(PEOPLE.replace('["wang", "li"]', '["nobody"]'))
        asyncio.run(teller.files.look())
        [reason] = teller.reasons()
        assert "people.toml:19" in reason
        assert "'nobody' is nobody" in reason
        told = ask(collector, "GET", "/on-call", params={"class": "pipe_burst", "area": "500103"}).json()
        assert [each["name"] for each in told["steps"][0]["people"]] == ["li"]
        assert "nobody" in told["problem"]


def test_mistakes_in_both_files_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """When the centre is checked or started."""
    people = PEOPLE.replace('channel = "spare"', 'channel = "pigeon"').replace('["wang", "li"]', '["wnag"]')
    with pytest.raises(TomlFileError) as found, centre(tmp_path, 1, people=people):
        pass
    lines = str(found.value)
    assert "people.toml:19: on_call[0].levels[0]: 'wnag' is nobody" in lines
