"""``gengfu parts`` and ``gengfu grids`` against a real centre, as people type them."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from collector.service import World, running
from gengfu import part_tables
from gengfu.commands import grids, parts
from tests.collector.making import settings
from tests.collector.parts.making import csv_text, geojson, grid, part
from tests.gengfu.operators import CHINESE, ENGLISH


def typed(app: Any, *words: str, env: dict[str, str] = ENGLISH, answer: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(words), env=env, input=answer)


def at_a_centre(folder: Path, work: Callable[[str], None]) -> None:
    """Run a centre, and beside it ``work`` with its URL."""

    async def run() -> None:
        async with running(settings(folder), World.real()) as collector:
            await asyncio.to_thread(work, collector.url)

    asyncio.run(run())


def lines(result: Result, code: int = 0) -> Sequence[str]:
    """Return what is printed, which fits into 80 columns where it is a table."""
    assert result.exit_code == code, result.output
    return [line.rstrip() for line in result.output.splitlines()]


def test_a_file_is_looked_at_written_listed_and_shown(tmp_path: Path) -> None:
    """Grids first, then parts; nothing is written until somebody says so."""
    (tmp_path / "grids.geojson").write_bytes(geojson(grid(Name="红旗路北段")))
    (tmp_path / "parts.csv2").write_bytes(csv_text(part(7), part(8, ObjName="供水器" * 12)))
    (tmp_path / "bad.csv").write_bytes(csv_text(part(9, lon="106.6"), part(9)))

    def work(url: str) -> None:
        where = ("--url", url)
        done = lines(typed(grids.app, "import", str(tmp_path / "grids.geojson"), "--yes", *where))
        assert done == ["1 rows: 1 added, 0 changed, 0 as before; 0 gone", "written"]
        listed = lines(typed(grids.app, "list", *where, env=CHINESE))
        assert listed[0].split() == ["编码", "类型", "名称", "上级", "图形"]
        assert listed[1].split() == ["500103001001001", "单元", "红旗路北段", "-", "有"]

        bad = lines(typed(parts.app, "import", str(tmp_path / "bad.csv"), "--yes", *where), 1)
        assert bad == [
            "line 2: lon: lies 4739 m outside its grid 500103001001001; mend the place or the grid code",
            "line 3: ObjID: '5001030132000009' is given twice, first in line 2; remove one of them",
            "2 rows: 0 added, 0 changed, 0 as before; 1 gone",
            "2 mistakes; nothing is written",
        ]

        file = str(tmp_path / "parts.csv2")
        counted = "2 rows: 1 added, 0 changed, 1 as before; 0 gone"
        assert lines(typed(parts.app, "import", file, "--dry-run", *where)) == [counted]
        unasked = typed(parts.app, "import", file, *where)
        assert lines(unasked, 1) == [counted, "nothing is written; add --yes to write it"]
        assert len(json.loads(typed(parts.app, "list", "--json", *where).output)) == 1
        told = json.loads(typed(parts.app, "import", file, "--yes", "--json", *where).output)
        assert (told["written"], told["added"]) == (True, 1)

        listed = lines(typed(parts.app, "list", "--near", "106.55,29.56", "--within", "5", *where))
        assert listed[0].split() == ["code", "name", "grid", "maintainer", "m"]
        assert listed[1].split() == ["5001030132000007", "供水器", "500103001001001", "抢修队", "0"]
        assert max(map(cell_len, listed)) <= 80
        assert lines(typed(parts.app, "list", "--class", "0118", *where, env=CHINESE)) == [
            "没有符合条件的部件"
        ]
        shown = lines(typed(parts.app, "show", "5001030132000007", *where))
        assert shown[2].split(maxsplit=1) == ["class", "0132 Water supply fitting"]
        assert shown[4].endswith(" 106.5500000, 29.5600000")
        assert lines(typed(parts.app, "show", "5001030132000999", *where), 1) == [
            "the register has no part 5001030132000999"
        ]

    at_a_centre(tmp_path / "centre", work)


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False)])
def test_somebody_at_a_terminal_is_asked_with_the_counts(
    answer: str, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And may say no."""
    asked: list[Any] = []
    report = dict.fromkeys(("added", "changed", "unchanged", "gone", "removed", "unknown_grids", "bad"), 0)

    def stand_in(method: str, url: str, path: str, **more: Any) -> Any:
        asked.append(more["query"])
        return {**report, "rows": 3, "problems": [], "written": not more["query"].get("dry_run")}

    monkeypatch.setattr("gengfu.centre_client.asked", stand_in)
    monkeypatch.setattr("gengfu.part_files._at_a_terminal", lambda: True)
    (tmp_path / "x.csv").write_text("x")
    ran = typed(parts.app, "import", str(tmp_path / "x.csv"), "--gcj02", "--remove-gone", answer=answer)
    counted = "3 rows: 0 added, 0 changed, 0 as before; 0 gone"
    assert ran.output.startswith(f"{counted}\nWrite this? [y/N]: {answer}")
    first = {"gcj02": True, "remove_gone": True, "source": "x.csv", "dry_run": True}
    del (second := dict(first))["dry_run"]
    assert asked == ([first, second] if written else [first])
    assert ("written" in ran.output.splitlines(), ran.exit_code) == (written, 0 if written else 1)


def test_a_file_is_checked_without_a_centre(tmp_path: Path) -> None:
    """By what the city's settings declare, where they are named."""
    path = tmp_path / "parts.csv"
    path.write_bytes(csv_text(part(1), part(ObjID="5001032102000001")))
    told = lines(typed(parts.app, "check", str(path)), 1)
    assert told[0].startswith("line 3: ObjID: '5001032102000001' has class 2102, which is not known; mend it")
    in_chinese = lines(typed(parts.app, "check", str(path), env=CHINESE), 1)
    assert in_chinese == [
        "第3行: ObjID: '5001032102000001'的小类2102未知；请更正，或在[[parts.minors]]中声明",
        "共2行：新增1，变更0，未变0；登记中有而文件中没有0",
        "1处错误；未写入",
    ]
    (tmp_path / "c.toml").write_text(
        'schema = 1\ndistrict = "north"\n[broker]\nhost = "x"\n[[parts.minors]]\ncode = "2102"\n'
        'name = { en = "Transformer", zh = "路灯变压器" }\n'
    )
    sound = lines(typed(parts.app, "check", str(path), "--settings", str(tmp_path / "c.toml")))
    assert sound == [f"{path}: sound, 2 rows"]
    missing = typed(parts.app, "check", str(tmp_path / "nope.csv"))
    assert lines(missing, 1) == [
        f"{tmp_path}/nope.csv: cannot be read: no such file or directory; check the path"
    ]
    report = json.loads(typed(parts.app, "check", str(tmp_path / "c.toml"), "--grids", "--json").output)
    assert report["problems"][0]["field"] == ""


def test_what_cannot_be_asked_is_told(tmp_path: Path) -> None:
    """Before a centre is asked."""
    assert lines(typed(parts.app, "list", "--near", "here"), 1)[0].startswith("--near: write LON,LAT")
    assert lines(typed(parts.app, "show", "12"), 1) == ["12 is no part code; it has 16 digits"]
    missing = lines(typed(grids.app, "import", str(tmp_path / "x.geojson")), 1)
    assert missing[0].endswith("x.geojson: cannot be read: no such file or directory; check the path")


def test_a_report_tells_what_it_leaves_out() -> None:
    """Of many mistakes the first, and how many more."""
    problem = {name: {"en": name, "zh": name} for name in ("place", "what", "remedy")} | {"field": "lat"}
    told: dict[str, Any] = dict.fromkeys(("added", "changed", "unchanged", "gone", "removed"), 0)
    told |= {"rows": 9, "bad": 9, "unknown_grids": 2, "problems": [problem], "written": False}
    assert list(part_tables.report(told, "en")) == [
        "place: lat: what; remedy",
        "and 8 more mistakes",
        "9 rows: 0 added, 0 changed, 0 as before; 0 gone",
        "2 rows name a grid that the register does not have",
        "9 mistakes; nothing is written",
    ]
