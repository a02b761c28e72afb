"""How the demo tells its story: line by line, or as a live picture in the terminal."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gengfu.demo.story import DUST_LIMIT, STEPS, Step, Story, View
from gengfu.language import Language

_TEXTS = {
    "title": ("Gengfu: a city block on this machine", "更夫:本机上的一个街区"),
    "site": ("construction site", "建筑工地"),
    "street": ("street", "街道"),
    "dust": ("PM10", "PM10"),
    "valve": ("sprinkler", "喷淋"),
    "on": ("RUNNING", "喷淋中"),
    "off": ("off", "关闭"),
    "cover": ("cover", "井盖"),
    "pressure": ("water main", "供水管"),
    "broker": ("broker", "消息代理"),
    "centre": ("centre", "中心"),
    "up": ("up", "运行"),
    "down": ("DOWN", "停止"),
    "killed": ("KILLED and wiped", "已终止并清空"),
    "waiting": ("batches waiting", "批积压"),
    "alarms": ("alarms", "报警"),
    "cases": ("cases at the city platform", "城市平台案卷"),
    "story": ("story", "经过"),
    "end": ("Ctrl-C ends it", "按 Ctrl-C 结束"),
    "none": ("none yet", "暂无"),
    "counting": ("stopping; both ends are counted …", "正在停止并核对两端计数……"),
    "missing": ("did not happen", "未发生"),
    "good": (
        "Verdict: every sample that a device served is stored at the centre once, and the story is whole.",
        "结论:设备送出的每个样本都在中心保存且仅保存一次,故事的每一步都已发生。",
    ),
    "early": (
        "Ended before the story was over; until then nothing was lost or doubled.",
        "故事未完即结束;至此没有丢失,也没有重复。",
    ),
    "bad": ("Verdict: NOT as it should be.", "结论:与应有的结果不符。"),
}
_BARS = " ▁▂▃▄▅▆▇█"
_TREND_VALUES_MAX = 30
STORY_LINES_MAX = 7
LISTED_MAX = 2


def text(name: str, language: Language) -> str:
    """Return one of the demo's texts."""
    return _TEXTS[name][language == "zh"]


def told(step: Step, at_s: float, language: Language) -> str:
    """Return the line that tells a step."""
    return f"{at_s:5.0f} s  {step.zh if language == 'zh' else step.en}"


def verdict(figures: dict[str, int], missing: Iterable[Step], language: Language, outcome: str) -> str:
    """Return the end of the story in words; ``outcome`` is good, early or bad."""
    lines = [
        f"samples taken {figures['samples_taken']}, stored {figures['samples_stored']}, "
        f"lost {figures['lost']}, duplicated {figures['duplicated']}",
        f"alarms {figures['alarms_raised']}, cases {figures['cases_raised']} "
        f"(duplicated {figures['cases_duplicated']}), sprinkler runs {figures['sprinkler_runs']}, "
        f"broker kills {figures['broker_kills']} with {figures['queued_at_kill']} batches waiting",
    ]
    if language == "zh":
        lines = [
            f"采样 {figures['samples_taken']},入库 {figures['samples_stored']},"
            f"丢失 {figures['lost']},重复 {figures['duplicated']}",
            f"报警 {figures['alarms_raised']},案卷 {figures['cases_raised']}"
            f"(重复 {figures['cases_duplicated']}),喷淋 {figures['sprinkler_runs']} 次,"
            f"消息代理被终止 {figures['broker_kills']} 次(积压 {figures['queued_at_kill']} 批)",
        ]
    lines += [f"{text('missing', language)}: {step.zh if language == 'zh' else step.en}" for step in missing]
    return "\n".join([*lines, text(outcome, language)])


class Picture:
    """The live picture; fits 80 columns and 24 lines."""

    def __init__(self, language: Language) -> None:
        """Begin with empty trends."""
        self._language = language
        self._dust: deque[float] = deque(maxlen=_TREND_VALUES_MAX)
        self._pressure: deque[float] = deque(maxlen=_TREND_VALUES_MAX)

    def draw(self, view: View, story: Story, note: str = "") -> RenderableType:
        """Return the picture of a view."""
        for trend, name in ((self._dust, "site/station/pm10"), (self._pressure, "street/pressure/pressure")):
            value = view.number(name)
            if value is not None:
                trend.append(value)
        top = Table.grid(expand=True, padding=(0, 1))
        top.add_column(ratio=1)
        top.add_column(ratio=1)
        top.add_row(self._site(view), self._street(view))
        middle = Table.grid(expand=True, padding=(0, 1))
        middle.add_column(ratio=1)
        middle.add_column(ratio=1)
        alarms = [_alarm(row) for row in view.alarms[:LISTED_MAX]]  # the newest come first
        cases = [_case(row, self._language) for row in view.cases[-LISTED_MAX:]]
        middle.add_row(
            self._listed("alarms", len(view.alarms), alarms), self._listed("cases", len(view.cases), cases)
        )
        ending = f"{view.at_s:.0f} s · {note or self._say('end')}"
        return Group(
            Text(self._say("title"), style="bold"),
            top,
            self._link(view),
            middle,
            self._story(story),
            Text(ending, style="dim"),
        )

    def _say(self, name: str) -> str:
        return text(name, self._language)

    def _site(self, view: View) -> Panel:
        dust, spray = view.number("site/station/pm10"), view.values.get("site/relays/relay_1")
        over = dust is not None and dust > DUST_LIMIT
        told_dust = "–" if dust is None else f"{dust:.0f} ug/m3"
        lines = Text()
        lines.append(f"{self._say('dust')} {told_dust:>10}  ", style="red" if over else "green")
        lines.append(_trend(self._dust, 0, 400) + "\n", style="yellow")
        state, style = (self._say("on"), "bold cyan") if spray else (self._say("off"), "dim")
        lines.append(f"{self._say('valve')}: ").append(state, style=style)
        return Panel(lines, title=self._say("site"), height=6)

    def _street(self, view: View) -> Panel:
        lines = Text()
        for number in (1, 2, 3):
            tilt = view.number(f"street/cover-{number}/inclination")
            open_ = tilt is not None and tilt > 15
            shown = "–" if tilt is None else f"{tilt:.1f}°"
            lines.append(f"{self._say('cover')} {number} {shown:>6}\n", style="red" if open_ else "green")
        pressure = view.number("street/pressure/pressure")
        low = pressure is not None and pressure < 140
        shown = "–" if pressure is None else f"{pressure:.0f} kPa"
        lines.append(f"{self._say('pressure')} {shown:>8}  ", style="red" if low else "green")
        lines.append(_trend(self._pressure, 0, 320)[-12:], style="blue")
        return Panel(lines, title=self._say("street"), height=6)

    def _link(self, view: View) -> Panel:
        line = Text()
        for name, up in (("broker", view.broker_up), ("centre", view.centre_up)):
            state, style = (self._say("up"), "green") if up else (self._say("down"), "bold red")
            line.append(f"{self._say(name)}: ").append(state, style=style).append("   ")
        if view.waiting:
            line.append(f"{view.waiting} {self._say('waiting')}   ", style="yellow")
        if view.broker_kills:
            line.append(f"{self._say('broker')} {self._say('killed')}: {view.broker_kills}", style="magenta")
        return Panel(line, height=3)

    def _listed(self, name: str, count: int, lines: list[Text]) -> Panel:
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for line in lines or [Text(self._say("none"), style="dim")]:
            grid.add_row(line)
        return Panel(grid, title=f"{self._say(name)} ({count})", height=4)

    def _story(self, story: Story) -> Text:
        lines = Text()
        for step in STEPS:
            done = step.name in story.happened
            lines.append("● " if done else "○ ", style="green" if done else "dim")
        happened = sorted(story.happened, key=lambda name: story.happened[name])
        for name in happened[-STORY_LINES_MAX:]:
            step = next(step for step in STEPS if step.name == name)
            lines.append("\n" + told(step, story.happened[name], self._language))
        return lines


def _trend(values: Iterable[float], low: float, high: float) -> str:
    scale = len(_BARS) - 1
    return "".join(_BARS[max(0, min(scale, round((value - low) / (high - low) * scale)))] for value in values)


def _alarm(row: dict[str, Any]) -> Text:
    active = row.get("cleared_ms") is None
    return Text(f"{row['device']}: {row['message']}", style="red" if active else "dim")


def _case(row: dict[str, Any], language: Language) -> Text:
    body = row["case"]
    return Text(f"{body['class']['title'][language]} · {body['departments']['owner']}")
