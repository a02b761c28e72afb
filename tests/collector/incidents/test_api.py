"""Incidents as programs and people see them, and how they are acknowledged."""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from collector.alarms.tables import conditions
from collector.service import Collector
from collector.tables import audit
from contract.events import Priority
from tests.collector.incidents.making import RULES, alarm, clear, found, raise_
from tests.collector.making import NOW_MS, Clock, settings, standing


def asked(collector: Collector, method: str, path: str, **told: Any) -> httpx.Response:
    """Send a request to the interface."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre/api/v1") as client:
            return await client.request(method, path, **told)

    return asyncio.run(ask())


def test_incidents_are_listed_newest_first_without_those_that_went_over(tmp_path: Path) -> None:
    """Page by page; by whether they are open, by rule and area."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n) for n in range(1, 5)), alarm(5, problem="x"), alarm(6, problem="x"))
        first = asked(collector, "GET", "/incidents?limit=2").json()
        second = asked(collector, "GET", f"/incidents?limit=2&cursor={first['next']}").json()
        items = first["items"] + second["items"]
        assert [(each["rule"], each["members"]) for each in items] == [
            ("single", 1),
            ("single", 1),
            ("neighbours", 4),
        ]
        assert items[2]["title"] == {"en": "4 bursts", "zh": "burst：4 处"}
        assert items[2]["labels"] == {"rule": "burst"}
        assert second["next"] is None
        assert len(asked(collector, "GET", "/incidents?merged=true").json()["items"]) == 6
        assert len(asked(collector, "GET", "/incidents?rule=neighbours").json()["items"]) == 1
        assert asked(collector, "GET", "/incidents?open=false").json()["items"] == []
        assert asked(collector, "GET", "/incidents?opened=1").status_code == 422


def test_one_is_shown_with_its_alarms(tmp_path: Path) -> None:
    """All of them page by page; one that is not there is told as such."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n) for n in range(1, 6)))
        clear(collector, alarm(2))
        group = found(collector)[-1]
        one = asked(collector, "GET", f"/incidents/{group.id}").json()
        assert (one["active"], one["alarms_left_out"]) == (4, 0)
        assert [each["gateway"] for each in one["alarms"]] == [f"gw-{n}" for n in (5, 4, 3, 2, 1)]
        assert [each["cleared_ms"] is None for each in one["alarms"]] == [True, True, True, False, True]
        page = asked(collector, "GET", f"/incidents/{group.id}/alarms?limit=3").json()
        rest = asked(collector, "GET", f"/incidents/{group.id}/alarms?limit=3&cursor={page['next']}").json()
        assert [each["alarm_id"] for each in page["items"] + rest["items"]] == [
            alarm(n).id for n in (5, 4, 3, 2, 1)
        ]
        for path in (f"/incidents/{'0' * 32}", f"/incidents/{'0' * 32}/alarms"):
            assert asked(collector, "GET", path).status_code == 404


def test_acknowledging_names_the_version_that_was_seen(tmp_path: Path) -> None:
    """Of two operators the second is told; the audit trail has the first."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n) for n in range(1, 4)))
        group = found(collector)[-1]
        path = f"/incidents/{group.id}/acknowledge"
        stale = asked(collector, "POST", path, json={"version": group.version + 1})
        assert (stale.status_code, "look at it again" in stale.json()["detail"]) == (409, True)
        done = asked(collector, "POST", path, json={"version": group.version})
        assert (done.status_code, done.json()["acked_by"], done.json()["acked_ms"]) == (200, "local", NOW_MS)
        second = asked(collector, "POST", path, json={"version": done.json()["version"]})
        assert (second.status_code, "by local already" in second.json()["detail"]) == (409, True)
        single = found(collector)[0]
        gone = asked(
            collector, "POST", f"/incidents/{single.id}/acknowledge", json={"version": single.version}
        )
        assert (gone.status_code, group.id in gone.json()["detail"]) == (409, True)
        unknown = asked(collector, "POST", f"/incidents/{'0' * 32}/acknowledge", json={"version": 1})
        assert unknown.status_code == 404
        by_people = select(audit).where(audit.c.who != "centre")
        noted = collector.state.read_now(lambda db: db.execute(by_people).all())
        assert [(row.who, row.action) for row in noted] == [
            *[("local", "alarm.acknowledge")] * 3,
            ("local", "incident.acknowledge"),
        ]
        stand = collector.state.read_now(lambda db: db.execute(select(conditions)).all())
        assert [(row.acked, row.acked_by) for row in stand] == [(True, "local")] * 3


def test_a_more_severe_alarm_is_to_be_acknowledged_anew(tmp_path: Path) -> None:
    """One that is not more severe joins what is acknowledged."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n, priority=Priority.MEDIUM) for n in range(1, 4)))
        group = found(collector)[-1]
        asked(collector, "POST", f"/incidents/{group.id}/acknowledge", json={"version": group.version})
        raise_(collector, alarm(4, priority=Priority.LOW))
        assert found(collector)[-1].acked_by == "local"
        raise_(collector, alarm(5, priority=Priority.HIGH))
        assert (found(collector)[-1].acked_ms, found(collector)[-1].priority) == (None, "high")


def test_what_doubled_is_another_version(tmp_path: Path) -> None:
    """Whoever acknowledges three does not acknowledge four; a fifth changes nothing of that."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n) for n in range(1, 4)))
        versions = []
        for number in range(4, 10):
            raise_(collector, alarm(number))
            versions.append(found(collector)[-1].version)
        assert versions == [2, 2, 2, 2, 3, 3]


def test_the_revision_grows_with_what_is_news(tmp_path: Path) -> None:
    """A new source, nothing active any more, and active again; not with what a sensor repeats."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, *(alarm(n) for n in range(1, 4)))
        steps: list[Callable[[], None]] = [
            partial(raise_, collector, alarm(4)),
            partial(clear, collector, alarm(4)),
            partial(raise_, collector, alarm(4, id="d" * 32)),
            partial(clear, collector, *(alarm(n) for n in range(1, 4)), alarm(4, id="d" * 32)),
            partial(raise_, collector, alarm(4, id="e" * 32)),
        ]
        revisions = [found(collector)[-1].revision]
        for step in steps:
            step()
            revisions.append(found(collector)[-1].revision)
        news = [after - before for before, after in itertools.pairwise(revisions)]
        assert news == [1, 0, 0, 1, 1]
