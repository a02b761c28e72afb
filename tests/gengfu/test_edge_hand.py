"""``gengfu edge lock``, ``explain`` and the like, against a real local socket; in both languages."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contract.samples import ClockState
from edge.local.answering import Answering
from edge.local.server import LocalServer
from edge.local.words import Answer, FactTold, Lock, Manual, WhyTold
from gengfu import why_words
from gengfu.commands.edge import app
from gengfu.commands.edge_hand import _about
from gengfu.durations import until_s
from gengfu.why_words import sentences
from tests.edge.controls.bench import CONTACTOR, OTHER, OUT, Bench
from tests.edge.controls.test_runs import PUMPS
from tests.edge.test_by_hand import At, Clock, Hand
from tests.gengfu.operators import CHINESE, ENGLISH
from tests.gengfu.test_edge_lines import SETTINGS

OUTPUT = "relays/relay_1"
STORM = {key: value for key, value in PUMPS.items() if key not in CONTACTOR} | {"fail_state": "on"}


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    """Serve a gateway's socket in another thread."""
    (tmp_path / "edge.toml").write_text(SETTINGS)
    (tmp_path / "state").mkdir()
    hand, loop = Hand(), asyncio.new_event_loop()
    server = LocalServer(tmp_path / "state", Answering("site-1", hand.by_hand, Clock()))
    server.open()
    serving = loop.create_task(server.run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({serving})))
    thread.start()
    try:
        yield hand
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()
        server.close()
        loop.close()


def said(
    folder: Path, *words: str, code: int = 0, env: dict[str, str] = ENGLISH, settings: str = "edge.toml"
) -> str:
    """Run a command and return what it says on both streams."""
    result = CliRunner().invoke(app, [*words, "--settings", str(folder / settings)], env=env)
    assert result.exit_code == code, result.output
    return result.output


def test_each_command_says_what_it_has_done(hand: Hand, tmp_path: Path) -> None:
    """In words, in the language of the terminal, or as JSON."""
    assert said(tmp_path, "lock", OUTPUT, "--who", "li") == f"{OUTPUT}: locked until unlocked here\n"
    assert "已解锁" in said(tmp_path, "unlock", OUTPUT, env=CHINESE)
    assert "held on until" in said(tmp_path, "manual", OUTPUT, "on", "--for", "10min")
    assert "released" in said(tmp_path, "release", "dust-spray")
    assert "planned work until" in said(tmp_path, "maintenance", "relays", "--until", "+2h")
    assert "has ended" in said(tmp_path, "maintenance", "relays", "--end")
    assert "is reset" in said(tmp_path, "reset", "burst")
    told = json.loads(said(tmp_path, "manual", OUTPUT, "off", "--for", "1h", "--json"))
    assert (told["gateway"], told["until_ms"] - told["time_ms"]) == ("site-1", 3_600_000)
    assert [each[0] for each in hand.rules.asked if each[0] != "explain"] == [
        "lock",
        "unlock",
        "manual",
        "release",
        "maintain",
        "maintain",
        "reset",
        "manual",
    ]
    assert "burst: normal" in said(tmp_path, "explain", "burst")
    assert "burst" in said(tmp_path, "state")


def test_a_lock_is_told_with_what_its_outputs_read() -> None:
    """A storm pump that is locked while it runs runs on: nobody is to learn that with a hand on it."""
    bench = Bench(STORM)
    bench.step(10, value=200.0)
    answering = Answering("site-1", At(bench).by_hand, At(bench))
    locked = answering.answer(Lock(OUT, "wang"))
    assert _about("lock")(locked) == (
        f"{OUT}: locked until unlocked here\n  {OUT}: on, held by the maintenance lock, wang"
    )
    held = answering.answer(Manual(OTHER, True, 60.0, "li"))
    assert next(why_words.outputs(held.rules[0], held, "zh", held.outputs)).startswith(
        f"  {OTHER}：开，由现场手动控制，li，至 "
    )


def test_what_cannot_be_done_is_told_and_ends_with_1(hand: Hand, tmp_path: Path) -> None:
    """Unknown names with the nearest, durations that are none, both or neither of two options."""
    assert "write relays/relay_1" in said(tmp_path, "lock", "relays/relay_2", code=1)
    assert "refused" in json.loads(said(tmp_path, "lock", "relays/relay_2", "--json", code=1))
    assert "no duration" in said(tmp_path, "manual", OUTPUT, "on", "--for", "soon", code=1)
    assert "more than nothing" in said(tmp_path, "manual", OUTPUT, "on", "--for", "0s", code=1)
    assert "--end" in said(tmp_path, "maintenance", "relays", code=1)
    assert "no time" in said(tmp_path, "maintenance", "relays", "--until", "noon", code=1)
    assert "cannot be asked" in said(tmp_path, "lock", "x" * 300, code=1)
    for words, english, chinese in (
        (("lock", OUTPUT, "--who", "li\x1b[2J"), "control characters", "控制字符"),
        (("lock", OUTPUT, "--who", "x" * 51), "50", "50"),
        (("manual", OUTPUT, "on", "--for", "soon"), "no duration", "时长"),
        (("manual", OUTPUT, "on", "--for", "0s"), "more than nothing", "大于 0"),
        (("manual", OUTPUT, "on", "--for", "9999d"), "7 d", "7 天"),
        (("maintenance", "relays"), "--end", "--until"),
        (("maintenance", "relays", "--until", "noon"), "no time", "时间"),
        (("lock", "x" * 300), "cannot be asked", "无法"),
    ):
        assert english in said(tmp_path, *words, code=1)
        assert chinese in said(tmp_path, *words, code=1, env=CHINESE)
    hand.rules.refuses = "locked by wang"
    assert "locked by wang" in said(tmp_path, "release", OUTPUT, code=1)


def test_without_a_running_gateway_the_remedy_is_told(tmp_path: Path) -> None:
    """Where, and what to do."""
    (tmp_path / "edge.toml").write_text(SETTINGS)
    told = said(tmp_path, "state", code=1)
    assert str(tmp_path / "state" / "gateway.sock") in told
    assert "gengfu edge run" in told


NOW = datetime(2026, 11, 27, 14, 0, 10, tzinfo=timezone(timedelta(hours=8)))


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("+2h", 7200),
        ("17:30", 3.5 * 3600 - 10),
        ("13:00", 23 * 3600 - 10),
        ("2026-11-28T14:00:10", 86_400),
        ("2026-11-27T07:00:10+00:00", 3600),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected_s: float) -> None:
    """A time of the day is the next one."""
    assert until_s(text, NOW) == expected_s


@pytest.mark.parametrize("text", ["", "25:00", "17.30", "2026-11-27T14:00:00", "+soon", "tomorrow"])
def test_what_is_no_time_to_come_is_told(text: str) -> None:
    """With what to write."""
    with pytest.raises(ValueError, match=r"write|is over"):
        until_s(text, NOW)


def answer(*facts: FactTold, state: str = "running", clock: ClockState = ClockState.SYNCHRONISED) -> Answer:
    """Return an explanation of a control."""
    now_ms = round(time.time() * 1000)
    return Answer("site-1", now_ms, clock, rules=[WhyTold("dust-spray", "control", state, 90.0, list(facts))])


def test_reasons_are_sentences_with_their_values() -> None:
    """Of both sorts of rule, with who holds what."""
    told = answer(
        FactTold("holder", "local", OUTPUT, round((time.time() + 60) * 1000), None, "li"),
        FactTold("output", OUTPUT, True, True),
        FactTold("start", "station/pm10", 163.2, 150.0, None, "> 300 0"),
        FactTold("stop", "station/pm10", None, 120.0, None, "< 0 30"),
        FactTold("inhibit", "station/temperature", 1.4, 2.0, None, "frost"),
        FactTold("run", OUTPUT, None, 1800.0, 12.0, "7f3a" * 8),
        FactTold("newer", "x", 3),
    )
    lines = list(sentences(told, "en"))
    assert lines[0].startswith("control dust-spray: running, since ")
    assert lines[0].endswith("(1 min)")
    assert lines[1].startswith(f"  {OUTPUT}: held by a hand at the cabinet, li, until ")
    assert lines[2] == f"  {OUTPUT} reads on, wanted on"
    assert lines[3] == "  starts when the mean of station/pm10 over 300 s > 150; it is 163.2 now"
    assert lines[4] == "  stops when station/pm10 < 120 for 30 s; it is not known now"
    assert lines[5] == "  inhibited by frost: station/temperature is 1.4, limit 2"
    assert lines[6].startswith("  runs, at most 1800 s (run 7f3a7f3a), since ")
    assert lines[7] == "  newer x 3"
    chinese = list(sentences(told, "zh"))
    assert chinese[0].startswith("控制 dust-spray：运行中，自 ")
    assert chinese[3] == "  启动条件：station/pm10 的 300 秒平均值 > 150；当前 163.2"
    assert chinese[5] == "  闭锁（frost）：station/temperature 当前 1.4，限值 2"
    _, brief = sentences(told, "en", brief=True)
    assert brief.startswith(f"  {OUTPUT}: on, held by a hand at the cabinet, li, until ")
    [unset, *_] = sentences(answer(clock=ClockState.UNSET), "en")
    assert unset == "control dust-spray: running, for 1 min"
    assert list(sentences(Answer("g", 1, ClockState.UNSET), "en")) == [
        "no alarms and no controls are declared"
    ]


def test_what_is_not_known_is_said_to_be_so() -> None:
    """Rather than shown as nothing."""
    told = answer(FactTold("output", OUTPUT, None, True), FactTold("unknown", "a/b"), state="unknown")
    lines = list(sentences(told, "en"))
    assert "not known" in lines[0]
    assert lines[1] == f"  {OUTPUT} reads not known, wanted on"
    assert lines[2] == "  there is no good value of a/b"
