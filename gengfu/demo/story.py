"""The demo's story: its steps in the order of telling, and when each has happened. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

DUST_LIMIT = 150.0
DUST_LOWER_LIMIT = 120.0
COVER_PART = "5001030102000002"
MAIN_PART = "5001030132000007"
LIGHTING_CABINETS = 3
LAMP_PART = "5001030118000114"
SITE_PART = "5001030602000001"
CAUGHT_UP_MS = 5_000
"""The centre has caught up when it has values so much newer than the kill."""


@dataclass(frozen=True)
class View:
    """What can be seen at one moment: newest values at the centre, alarms, cases, the broker's fate.

    ``values`` are by "gateway/device/point"; ``alarms`` and ``cases`` as the APIs give them. ``centre_up`` is
    False while the centre is away and everything else in the view is what was seen last.
    """

    at_s: float
    values: dict[str, Any] = field(default_factory=dict)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    lives: list[dict[str, Any]] = field(default_factory=list)
    """The centre's own cases."""
    broker_kills: int = 0
    waiting: int = 0
    queued_at_kill: int = 0
    centre_up: bool = True
    broker_up: bool = True
    newest_ms: int = 0
    killed_ms: int = 0
    lamps: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """What lamps truly give, in per cent, by cabinet."""
    lamp_plans: dict[str, str] = field(default_factory=dict)
    """Where the lamp plan stands, by cabinet, as the centre has it."""
    lamp_plan_handed: bool = False
    """Whether all cabinets but the one that was away had the plan, and that one not."""
    lamp_table: str = ""
    """What the push of the plan printed."""

    def burns(self, *cabinets: str) -> bool:
        """Say whether lamps of each of these cabinets burn."""
        return all(any(self.lamps.get(name, {}).values()) for name in cabinets)

    def number(self, name: str) -> float | None:
        """Return a value if it is a number."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Step:
    """One part of the story, in both languages; ``told`` may hold {value}."""

    name: str
    en: str
    zh: str


STEPS = (
    Step(
        "plan_pushed",
        "a lamp plan is pushed: two cabinets have it, the third is away",
        "下发照明计划：两台控制箱生效，第三台离线",
    ),
    Step("lamps_on", "at the time of the plan the lamps go on", "到计划时间，路灯点亮"),
    Step(
        "plan_caught_up",
        "the third is back, has got the plan by itself and does what is due",
        "第三台恢复，自动取得计划并执行当前亮度",
    ),
    Step("dust_rises", "dust passes its limit", "扬尘超过限值"),
    Step("spray_on", "the sprinkler runs, read back from the relay", "喷淋启动，继电器回读确认"),
    Step("dust_falls", "the dust falls", "扬尘下降"),
    Step("spray_off", "back within the limit, the sprinkler stops", "回到限值以内，喷淋停止"),
    Step("cover_alarm", "a manhole cover tilts: alarm", "井盖倾斜：报警"),
    Step("cover_case", "its case is filed, with part, place and owner", "立案：部件、位置、权属齐全"),
    Step("burst_alarm", "a water main bursts: alarm", "自来水管爆裂：报警"),
    Step("burst_case", "its case is filed, too", "立案：部件、位置、权属齐全"),
    Step(
        "cover_verified",
        "the cover is closed: its case is verified and closed by that",
        "井盖复位：案卷据此核实结案",
    ),
    Step("burst_verified", "the pressure is back: its case, too", "水压恢复：案卷据此核实结案"),
    Step("dust_case", "the dust's case is filed", "扬尘案卷立案"),
    Step("gateway_case", "a gateway was gone: its case is filed", "网关离线：立案"),
    Step("lamp_alarm", "a lamp stays dark: alarm", "一盏灯不亮：报警"),
    Step("lamp_case", "its case is filed", "立案：部件、位置、权属齐全"),
    Step(
        "broker_killed",
        "the broker is killed with batches waiting, and wiped",
        "在有积压时强制终止消息代理并清空",
    ),
    Step("caught_up", "all that was measured since has reached the centre", "此后的数据全部到达中心"),
)


class Story:
    """Which steps have happened, and when; a step is never taken back."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.happened: dict[str, float] = {}

    @property
    def complete(self) -> bool:
        """Say whether every step has happened."""
        return len(self.happened) == len(STEPS)

    @property
    def missing(self) -> list[Step]:
        """Return the steps that have not happened."""
        return [step for step in STEPS if step.name not in self.happened]

    def look(self, view: View) -> list[Step]:
        """Take a view; return the steps that it shows for the first time."""
        found = [step for step in STEPS if step.name not in self.happened and self._shows(step.name, view)]
        for step in found:
            self.happened[step.name] = view.at_s
        return found

    def _shows(self, name: str, view: View) -> bool:
        dust, spray = view.number("site/station/pm10"), view.values.get("site/relays/relay_1")
        sprayed = "spray_on" in self.happened
        problems = {alarm["problem"] for alarm in view.alarms}
        killed = view.broker_kills > 0
        having = {name for name, state in view.lamp_plans.items() if state == "in_force"}
        shown = {
            "plan_pushed": view.lamp_plan_handed,
            "lamps_on": view.lamp_plan_handed and view.burns("lighting-1", "lighting-2"),
            "plan_caught_up": len(having) == LIGHTING_CABINETS and view.burns("lighting-3"),
            "lamp_alarm": "lamp_failure" in problems,
            "lamp_case": any(_is_filed(case, LAMP_PART) for case in view.cases),
            "dust_rises": dust is not None and dust > DUST_LIMIT,
            "spray_on": spray is True,
            "dust_falls": sprayed and dust is not None and dust < DUST_LOWER_LIMIT,
            "spray_off": sprayed and spray is False,
            "cover_alarm": "cover_open" in problems,
            "cover_case": any(_is_filed(case, COVER_PART) for case in view.cases),
            "burst_alarm": "pipe_burst" in problems,
            "burst_case": any(_is_filed(case, MAIN_PART) for case in view.cases),
            "cover_verified": _is_verified(view.lives, COVER_PART),
            "burst_verified": _is_verified(view.lives, MAIN_PART),
            "dust_case": any(_is_filed(case, SITE_PART) for case in view.cases),
            "gateway_case": any(_is_of_gateway(case) for case in view.cases),
            "broker_killed": killed and view.queued_at_kill > 0,
            "caught_up": killed and view.centre_up and view.newest_ms > view.killed_ms + CAUGHT_UP_MS,
        }
        return shown[name]


def _is_verified(lives: Iterable[Mapping[str, Any]], part: str) -> bool:
    """Say whether the part's case was closed by its sensor's return to normal."""
    return any(
        life["part"] == part and life["stage"] == "verified" and life["closed_how"] == "sensor"
        for life in lives
    )


def _is_of_gateway(case: dict[str, Any]) -> bool:
    """Say whether the platform's case is of a gateway that was gone, with its class and deadline."""
    body = case["case"]
    return bool(
        body["problem"] == "gateway_offline"
        and body["class"]["code"]
        and body["deadline_ms"] > body["opened_ms"]
    )


def _is_filed(case: dict[str, Any], part: str) -> bool:
    """Say whether the platform's case names the part, where it is and who owns it."""
    body = case["case"]
    placed = body["place"]["lon"] is not None
    return bool(body["part"]["code"] == part and body["departments"]["owner"] and placed)
