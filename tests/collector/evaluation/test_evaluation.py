"""Figures of evaluation: equal to those by the words of their formulas, kept up step by step."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, insert, select, update
from typer.testing import CliRunner

from bench import case_year, evaluation
from bench.case_year import DAY_MS, FROM_MS, NOW_MS
from bench.evaluation import OFFSET_MIN, Found
from bench.evaluation_by_words import ByWords
from collector.cases.tables import case_events, case_stages
from collector.database import Database
from collector.evaluation import exclusions
from collector.evaluation.days import By
from collector.evaluation.formulas import BY_VERSION, COUNTS
from collector.evaluation.projection import advance, differing, rebuild
from collector.evaluation.reading import Figures, Period, figures
from collector.evaluation.tables import case_facts, evaluation_days
from collector.people.roles import LOCAL
from collector.service import Collector
from collector.tables import audit, cases
from gengfu.commands.evaluation import app as command
from tests.collector.making import Clock, rows, settings, standing
from tests.collector.making import journal_database as opened
from tests.collector.serving import served

pytestmark = pytest.mark.usefixtures("both_engines")

CASES = 250
SEED = 7


@contextmanager
def filled(folder: Path, count: int = CASES) -> Iterator[Database]:
    """Lend a state with so many cases of a year, and figures that are kept up."""
    with opened(folder) as state:
        case_year.fill(state, count, SEED)
        keep_up(state)
        yield state


def keep_up(state: Database, offset_min: int = OFFSET_MIN) -> None:
    """Bring the figures up to date."""
    while state.write_now(lambda connection: advance(connection, offset_min)):
        pass


def wrong(state: Database, offset_min: int = OFFSET_MIN) -> list[str]:
    """Return what differs from the raw rows."""
    return state.read_now(lambda connection: list(differing(connection, offset_min)))


def test_every_figure_is_the_one_that_the_words_of_its_formula_give(tmp_path: Path) -> None:
    """By each key, over a year, a quarter, a month and a period that runs on; stretches left out or not."""
    with filled(tmp_path) as state:
        words = state.read_now(lambda connection: ByWords.of(connection, OFFSET_MIN // 60))
        found = Found()
        asyncio.run(evaluation.compared(state, words, found))
        for number, each in enumerate((evaluation.STORM, evaluation.DIG)):
            made = evaluation.exclusion(number, each)
            state.write_now(lambda db, made=made: exclusions.exclude(db, made, LOCAL))  # type: ignore[misc]
        asyncio.run(evaluation.compared(state, words, found, (evaluation.STORM, evaluation.DIG)))
        assert found.mismatches == []
        assert found.told > 10_000


def test_a_wrong_denominator_is_found(tmp_path: Path) -> None:
    """The comparison can fail."""
    with filled(tmp_path) as state, evaluation.wrong_denominator():
        words = state.read_now(lambda connection: ByWords.of(connection, OFFSET_MIN // 60))
        found = Found()
        asyncio.run(evaluation.compared(state, words, found))
    assert found.mismatches
    assert all("closing:" in each and "formulas 1" in each for each in found.mismatches)


def test_figures_of_a_day_that_is_not_over_wait(tmp_path: Path) -> None:
    """What is due today or later is counted, and in no rate."""
    today = (date(2025, 7, 1) - date(1970, 1, 1)).days
    period = Period(today - 30, today + 30, today)
    with filled(tmp_path) as state:
        read = lambda db: figures(db, period, By.CLASS, utc_offset_min=OFFSET_MIN)  # noqa: E731
        total = Figures("")
        for each in state.read_now(read):
            total += each
        query = select(case_facts.c.deadline_ms).where(
            case_facts.c.filed_ms.is_not(None), ~case_facts.c.voided
        )
        days = [
            (each + OFFSET_MIN * 60_000) // DAY_MS
            for each in state.read_now(lambda db: db.scalars(query).all())
        ]
    assert total.sums["due"] == sum(today - 30 <= day < today for day in days) > 0
    assert total.sums["not_due_yet"] == sum(today <= day < today + 30 for day in days) > 0


@pytest.mark.parametrize("seed", range(3))
def test_figures_kept_up_step_by_step_are_those_made_at_once(seed: int, tmp_path: Path) -> None:
    """However the raw rows come, and after all was forgotten."""
    random = Random(seed)
    lives = list(case_year.lives(60, seed))
    rows_left = [(life, row) for life in lives for row in life.stages]
    rows_left.sort(key=lambda each: (each[1]["at_ms"], each[1]["n"]))
    with opened(tmp_path) as state:
        seen: set[str] = set()
        for life, row in rows_left:
            with_case = life.case | {"closed_ms": None, "problem_key": life.case["id"]}
            if life.case["id"] not in seen:
                seen.add(life.case["id"])
                state.write_now(lambda db, case=with_case: db.execute(insert(cases).values(case)))  # type: ignore[misc]
                if life.events:
                    state.write_now(lambda db, told=life.events: db.execute(insert(case_events), told))  # type: ignore[misc]
            state.write_now(lambda db, row=row: db.execute(insert(case_stages).values(row)))  # type: ignore[misc]
            if random.random() < 0.2:
                keep_up(state)
                assert wrong(state) == [] or random.random() > 0.2
        keep_up(state)
        assert wrong(state) == []
        kept = [row for row in rows(state, evaluation_days) if any(row[3:])]
        state.write_now(lambda db: rebuild(db, OFFSET_MIN))
        keep_up(state)
        assert [row for row in rows(state, evaluation_days) if any(row[3:])] == kept


def test_another_time_zone_makes_the_days_anew(tmp_path: Path) -> None:
    """A day of Chongqing is no day of London."""
    with filled(tmp_path, 60) as state:
        before = rows(state, evaluation_days)
        keep_up(state, 0)
        assert wrong(state, 0) == []
        assert rows(state, evaluation_days) != before


def test_what_differs_from_the_raw_rows_is_named(tmp_path: Path) -> None:
    """A fact that was changed, one that is gone, a sum that is wrong."""
    with filled(tmp_path, 60) as state:
        first, second = (f"{number:032x}" for number in (1, 2))
        where = case_facts.c.case_id
        state.write_now(lambda db: db.execute(update(case_facts).where(where == first).values(extensions=9)))
        state.write_now(lambda db: db.execute(delete(case_facts).where(where == second)))
        day = evaluation_days.c
        state.write_now(
            lambda db: db.execute(update(evaluation_days).where(day.key == "路灯所").values(due=99))
        )
        found = wrong(state)
        assert found[:2] == [first, second]
        assert found[2:]
        assert all("路灯所" in each for each in found[2:])


@contextmanager
def asked(collector: Collector) -> Iterator[httpx.Client]:
    """Serve the interface on a port and lend a client."""
    with served(collector.app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_the_interface_tells_figures_formulas_and_what_is_left_out(tmp_path: Path) -> None:
    """A mistake is refused with words; a change is on the audit trail; the command prints it."""
    clock = Clock(now_ms=NOW_MS)
    with standing(settings(tmp_path), clock) as collector:
        case_year.fill(collector.state, CASES, SEED)
        with asked(collector) as client:
            path = "/api/v1/evaluation"
            year = {"from": "2025-01-01", "until": "2026-01-01"}
            for query, said in (
                (year | {"by": "colour"}, "department"),
                (year | {"formulas": "9"}, "there are no formulas '9'; there are 1, 2"),
                ({"from": "2025-01-01", "until": "2025-01-01"}, "until must be after from"),
                (year | {"form": "1"}, "unknown: form"),
                ({"from": "yesterday", "until": "2025-01-01"}, "date"),
            ):
                refused = client.get(path, params=query)
                assert (refused.status_code, said in refused.text) == (422, True), refused.text
            told = client.get(path, params=year | {"by": "class"}).json()
            assert told["total"]["counts"]["reported"] == CASES
            assert set(told["formulas"]["counts"]) == {count.name for count in COUNTS}
            first = client.get(path, params=year | {"by": "class", "limit": 5}).json()
            rest = client.get(path, params=year | {"by": "class", "cursor": first["next"]}).json()
            assert first["figures"] + rest["figures"] == told["figures"]
            stretch = {"from_ms": FROM_MS, "until_ms": FROM_MS + 40 * DAY_MS, "reason": "台风"}
            assert client.post(f"{path}/exclusions", json=stretch | {"until_ms": 1}).status_code == 409
            assert client.post(f"{path}/exclusions", json=stretch | {"area": "12"}).status_code == 422
            made = client.post(f"{path}/exclusions", json=stretch).json()
            less = client.get(path, params=year | {"by": "class"}).json()
            assert less["excluded"] == [made]
            left_out = less["total"]["counts"]["reported_left_out"]
            assert less["total"]["counts"]["reported"] == CASES - left_out < CASES
            commanded(client, year, less)
            assert client.delete(f"{path}/exclusions/{made['id']}").status_code == 204
            assert client.delete(f"{path}/exclusions/{made['id']}").status_code == 404
            assert client.get(path, params=year | {"by": "class"}).json()["total"] == told["total"]
            assert [each["version"] for each in client.get(f"{path}/formulas").json()] == list(BY_VERSION)
        trail = select(audit.c.action).where(audit.c.action.like("evaluation.%")).order_by(audit.c.row)
        actions = collector.state.read_now(lambda db: list(db.scalars(trail)))
        assert actions == ["evaluation.exclude", "evaluation.withdraw"]


def commanded(client: httpx.Client, year: dict[str, str], told: dict[str, Any]) -> None:
    """See that the command says what the interface told."""
    arguments = [
        "show",
        "--from",
        year["from"],
        "--until",
        year["until"],
        "--by",
        "class",
        "--url",
        str(client.base_url),
    ]
    for spoken, said in (("zh_CN.UTF-8", "紧急结案率"), ("C", "closing rate, urgent")):
        shown = CliRunner().invoke(command, arguments, env={"LC_ALL": spoken, "COLUMNS": "80"})
        assert shown.exit_code == 0, shown.output
        assert said in shown.output
        assert "台风" in shown.output
        assert f"{told['total']['rates']['closing']:.1%}" in shown.output
    as_json = CliRunner().invoke(command, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["total"] == told["total"]
    [header, *lines] = csv.reader(io.StringIO(CliRunner().invoke(command, [*arguments, "--csv"]).stdout))
    assert [line[0] for line in lines] == [each["key"] for each in told["figures"]]
    due = [int(line[header.index("due")]) for line in lines]
    assert due == [each["counts"]["due"] for each in told["figures"]]
    assert {line[-1] for line in lines} == {"1"}
    wrong_by = CliRunner().invoke(command, [*arguments, "--by", "colour"])
    assert (wrong_by.exit_code, "--by" in wrong_by.output) == (1, True)
    listed = CliRunner().invoke(command, ["formulas", "--url", str(client.base_url)], env={"LC_ALL": "C"})
    assert "closing rate = (closed − closed extended) / (due − extended)" in listed.output
