"""``gengfu edge check SETTINGS --against RECORDING``: what the rules would have done."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gengfu.language import Language, language
from gengfu.terminal import print_json
from gengfu.words import counted

if TYPE_CHECKING:
    from edge.rules.recording import BadRow
    from edge.rules.replay import Happened, Replay, Summary
    from edge.settings import Settings

BAD_ROWS_SHOWN = 20
ROWS_PER_STEP = 2000
_WHATS = ("raised", "cleared", "started", "stopped", "inhibited")
_TEXTS = {
    "rule": ("rule", "规则"),
    "raised": ("raised", "报警"),
    "cleared": ("cleared", "恢复"),
    "started": ("started", "启动"),
    "stopped": ("stopped", "停止"),
    "inhibited": ("inhibited", "闭锁"),
    "other": ("other", "其他"),
    "time": ("time", "时间"),
    "what": ("what", "动作"),
    "where": ("where", "位置"),
    "value": ("value", "值"),
    "why": ("why", "说明"),
    "nothing": ("nothing would have happened", "不会有任何动作"),
    "more": ("… and {0} more", "……另有 {0} 条"),
    "means": (
        "note: {0} is sent as means of {1:g} s; its rules see each value, and may act so much earlier",
        "注意：{0} 以 {1:g} 秒平均值上报；规则看到每个值，可能提前至多该时长动作",
    ),
    "seen": ("{0} samples of points that rules look at, {1} of others", "规则相关样本 {0} 个，其他 {1} 个"),
}


def against(settings: "Settings", recording: Path, *, first: int, as_json: bool) -> None:
    """Replay a recording through the rules and show what they do; exit 1 where rows could not be used."""
    from edge.rules.replay import Replay, Summary

    replay, summary = Replay(settings), Summary(first)
    try:
        bad, bad_rows = _run(replay, summary, recording)
    except OSError as error:
        told = f"{recording}: cannot be read: {(error.strerror or str(error)).lower()}; check the path"
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(told)
        raise typer.Exit(1) from error
    if as_json:
        print_json(_data(replay, summary, bad, bad_rows))
    else:
        _show(replay, summary, settings.utc_offset_min, language(os.environ))
        errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        for row in bad:
            errors.print(f"{recording}:{row.line}: {row.what}")
        if bad_rows:
            errors.print(f"{counted(bad_rows, 'row')} passed over; mend or remove them")
    if bad_rows:
        raise typer.Exit(1)


def _run(replay: "Replay", summary: "Summary", recording: Path) -> tuple[list["BadRow"], int]:
    """Feed it all; return the first bad rows, and how many there are."""
    from edge.rules import recording as rows
    from edge.rules.replay import BackInTimeError

    bad: list[BadRow] = []
    count = 0
    with recording.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = _Lines(file)
        with _progress() as progress:
            task = progress.add_task(recording.name, total=recording.stat().st_size)
            for number, row in enumerate(rows.read(lines)):
                if isinstance(row, rows.BadRow):
                    found: rows.BadRow | None = row
                else:
                    try:
                        summary.take(replay.take(row))
                        found = None
                    except BackInTimeError as error:
                        found = rows.BadRow(lines.count, str(error))
                if found:
                    count += 1
                    bad += [found] if len(bad) < BAD_ROWS_SHOWN else []
                if number % ROWS_PER_STEP == 0:
                    progress.update(task, completed=lines.octets)
            progress.update(task, completed=lines.octets)
    return bad, count


class _Lines:
    """The lines of a file, one at a time and none longer than needed; knows how far it is."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.octets = self.count = 0

    def __iter__(self) -> Iterator[str]:
        from edge.rules.recording import ROW_CHARACTERS_MAX

        while line := self._file.readline(ROW_CHARACTERS_MAX + 1):
            self.octets += len(line)
            rest = line
            while not rest.endswith("\n") and (rest := self._file.readline(ROW_CHARACTERS_MAX)):
                self.octets += len(rest)  # too long: it is told as such, and passed over
            self.count += 1
            yield line


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip


def _data(replay: "Replay", summary: "Summary", bad: list["BadRow"], bad_rows: int) -> dict[str, object]:
    return {
        "samples": replay.samples,
        "passed_over": replay.passed_over,
        "means": {str(target): interval_s for target, interval_s in replay.means.items()},
        "rules": {rule: dict(counts) for rule, counts in sorted(summary.counts.items())},
        "first": [each._asdict() for each in summary.first],
        "more": summary.more,
        "bad_rows": bad_rows,
        "bad": [row._asdict() for row in bad],
    }


def _show(replay: "Replay", summary: "Summary", utc_offset_min: int, chosen: Language) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(_text("seen", chosen).format(replay.samples, replay.passed_over))
    for target, interval_s in replay.means.items():
        console.print(_text("means", chosen).format(target, interval_s))
    if not summary.counts:
        console.print(_text("nothing", chosen))
        return
    counts = Table(box=None, pad_edge=False)
    counts.add_column(_text("rule", chosen), overflow="fold")
    for what in (*_WHATS, "other"):
        counts.add_column(_text(what, chosen), justify="right")
    for rule, of_rule in sorted(summary.counts.items()):
        other = of_rule.total() - sum(of_rule[what] for what in _WHATS)
        counts.add_row(rule, *(str(number or "") for number in [*(of_rule[w] for w in _WHATS), other]))
    console.print(counts)
    console.print()
    listed = Table(box=None, pad_edge=False)
    for name in ("time", "rule", "what", "where", "value", "why"):
        listed.add_column(_text(name, chosen), overflow="fold")
    for each in summary.first:
        listed.add_row(*_cells(each, utc_offset_min, chosen))
    console.print(listed)
    if summary.more:
        console.print(_text("more", chosen).format(summary.more))


def _cells(each: "Happened", utc_offset_min: int, chosen: Language) -> list[str]:
    at = datetime.fromtimestamp(each.time_ms / 1000, UTC) + timedelta(minutes=utc_offset_min)
    value = (
        f"{each.value:.6g}"
        if isinstance(each.value, float)
        else ""
        if each.value is None
        else str(each.value)
    )
    what = _text(each.what, chosen) if each.what in _TEXTS else each.what
    told = f"{what} {each.condition}".strip()
    return [f"{at:%m-%d %H:%M:%S}", each.rule, told, f"{each.device}/{each.point}", value, each.reason]


def _text(name: str, chosen: Language) -> str:
    return _TEXTS[name][chosen == "zh"]
