"""The demo's live picture in the terminal."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gengfu.demo.lighting import CABINETS
from gengfu.demo.story import DUST_LIMIT, STEPS, Story, View
from gengfu.demo.telling import text, told
from gengfu.language import Language

_SHADES = "·░▒▓█"
_BARS = " ▁▂▃▄▅▆▇█"
_TREND_VALUES_MAX = 30
STORY_LINES_MAX = 3
LISTED_MAX = 2


class Picture:
    """The live picture; fits 80 columns and 24 lines."""

    def __init__(self, language: Language, titles: Mapping[str, Mapping[str, str]]) -> None:
        """Begin with empty trends; ``titles`` are those of case classes, by problem and language."""
        self._language = language
        self._titles = titles
        self._dust: deque[float] = deque(maxlen=_TREND_VALUES_MAX)
        self._pressure: deque[float] = deque(maxlen=_TREND_VALUES_MAX)

    def draw(self, view: View, story: Story) -> RenderableType:
        """Return the picture of a view."""
        for trend, name in ((self._dust, "site/station/pm10"), (self._pressure, "street/pressure/pressure")):
            value = view.number(name)
            if value is not None:
                trend.append(value)
        top = Table.grid(expand=True, padding=(0, 1))
        top.add_column(ratio=1)
        top.add_column(ratio=1)
        top.add_row(self._site(view, story), self._street(view))
        return Group(
            Text(self._say("title"), style="bold"),
            top,
            self._link(view),
            self._lamps(view),
            self._alarms(view.alarms),
            self._cases(view.cases),
            self._story(story),
            Text(f"{view.at_s:.0f} s · {self._note(view, story)}", style="dim", no_wrap=True),
        )

    def _note(self, view: View, story: Story) -> str:
        if story.complete:
            return self._say("complete")
        return self._say("end" if view.values else "first")

    def _say(self, name: str) -> str:
        return text(name, self._language)

    def _site(self, view: View, story: Story) -> Panel:
        dust, spray = view.number("site/station/pm10"), view.values.get("site/relays/relay_1")
        over = dust is not None and dust > DUST_LIMIT
        told_dust = "–" if dust is None else f"{dust:.0f} ug/m3"
        lines = Text()
        lines.append(f"{self._say('dust')} {told_dust:>10}", style="red" if over else "green")
        lines.append(f"  {self._say('limit')} {DUST_LIMIT:.0f}\n", style="dim")
        lines.append(_trend(self._dust, 0, 400) + "\n", style="yellow")
        state, style = ("on", "bold cyan") if spray else ("off", "dim")
        if over and spray is False and "spray_on" in story.happened:
            state, style = "resting", "yellow"
        lines.append(self._say("valve") + self._say("colon"))
        lines.append("–" if spray is None else self._say(state), style=style)
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

    def _link(self, view: View) -> Text:
        line = Text(no_wrap=True)
        for name, up in (("broker", view.broker_up), ("centre", view.centre_up)):
            state, style = (self._say("up"), "green") if up else (self._say("down"), "bold red")
            line.append(self._say(name) + self._say("colon")).append(state, style=style).append("   ")
        if view.waiting:
            line.append(f"{view.waiting} {self._say('waiting')}   ", style="yellow")
        if view.broker_kills:
            killed = self._say("killed") + self._say("colon")
            line.append(f"{self._say('broker')} {killed}{view.broker_kills}", style="magenta")
        return line

    def _lamps(self, view: View) -> Text:
        """A line for each cabinet: its lamps as shades, a failed one as a cross, and its plan."""
        rows = []
        failed = {(row["gateway"], row["device"]) for row in view.alarms if _is_lamp_failure(row)}
        for cabinet in CABINETS:
            line = Text(f"{self._say('lamps')} {cabinet}  ", no_wrap=True)
            for lamp, level in sorted(view.lamps.get(cabinet, {}).items()):
                if (cabinet, lamp) in failed:
                    line.append("× ", style="bold red")
                else:
                    line.append(_SHADES[-(-level * (len(_SHADES) - 1) // 100)] + " ", style="yellow")
            state, style = ("planless", "dim")
            if view.lamp_plans.get(cabinet) == "in_force":
                state, style = "in_force", "green"
            rows.append(line.append(f" {self._say(state)}", style=style))
        return Text("\n", no_wrap=True).join(rows)

    def _alarms(self, alarms: list[dict[str, Any]]) -> Panel:
        """The newest come first, and the active ones before those."""
        ordered = sorted(alarms, key=_is_ended)
        ended = sum(map(_is_ended, alarms))
        counts = self._say("counts").format(active=len(alarms) - ended, ended=ended)
        lines = [self._alarm(row) for row in ordered[:LISTED_MAX]]
        return self._listed(f"{self._say('alarms')} {counts}", lines)

    def _alarm(self, row: dict[str, Any]) -> Text:
        title = self._titles.get(row["problem"], {}).get("zh") if self._language == "zh" else None
        said: str = title or row["message"]
        if not said.startswith(f"{row['device']} "):  # else it names the device already
            said = f"{row['device']}{self._say('colon')}{said}"
        line = f"{row['gateway']}/{said}"
        if _is_ended(row):
            return Text(f"{line} · {self._say('ended')}", style="dim")
        return Text(line, style="red")

    def _cases(self, cases: list[dict[str, Any]]) -> Panel:
        lines = []
        for row in cases[-LISTED_MAX:]:
            body = row["case"]
            part, owner = body["part"]["name"], body["departments"]["owner"]
            lines.append(Text(f"{body['class']['title'][self._language]} · {part} · {owner}"))
        return self._listed(f"{self._say('cases')} ({len(cases)})", lines)

    def _listed(self, title: str, lines: list[Text]) -> Panel:
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for line in lines or [Text(self._say("none"), style="dim")]:
            grid.add_row(line)
        return Panel(grid, title=title, height=LISTED_MAX + 2)

    def _story(self, story: Story) -> Text:
        lines = Text(f"{self._say('story')} {len(story.happened)}/{len(STEPS)}  ", no_wrap=True)
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


def _is_lamp_failure(alarm: dict[str, Any]) -> bool:
    return bool(alarm["problem"] == "lamp_failure" and not _is_ended(alarm))


def _is_ended(alarm: dict[str, Any]) -> bool:
    return alarm.get("cleared_ms") is not None
