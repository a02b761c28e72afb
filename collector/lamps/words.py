"""What the lamps' reports say in words, in both languages: failures, and how things are counted."""

from typing import Literal

from lighting.figures import LIT_SHARE_MIN, SEEN_SHARE_MIN

Language = Literal["en", "zh"]

GONE_AFTER_DAYS = 31
"""A gateway without a sign for so long before a report's first night is taken to be removed."""

_FAILURES = {
    "lamp_failure": ("lamp failed", "灯具故障"),
    "lamp_unexpected_on": ("lamp on unexpectedly", "异常亮灯"),
    "lamp_power_too_high": ("lamp power too high", "灯具功率过高"),
    "lamp_power_too_low": ("lamp power too low", "灯具功率过低"),
    "dimming_failure": ("dimming failed", "调光故障"),
    "relay_failure": ("relay failed", "继电器故障"),
    "cycling_failure": ("lamp cycles", "反复熄启"),
    "communication_failure": ("no communication", "通信故障"),
    "supply_voltage_too_high": ("voltage too high", "电压过高"),
    "supply_voltage_too_low": ("voltage too low", "电压过低"),
    "current_too_high": ("current too high", "电流过高"),
    "power_factor_too_low": ("power factor too low", "功率因数过低"),
    "leakage_detected": ("leakage", "漏电"),
    "switching_error_on": ("circuit did not switch on", "回路未合闸"),
    "switching_error_off": ("circuit did not switch off", "回路未分闸"),
}
"""TALQ's failure classes for people; one without words here goes by its name."""
_RULES = {
    "lit": (
        "Lit rate: of the lamps that were to burn in a night, those that were seen to burn for at least "
        "{0:g} % of the time that they were seen. One that was seen for less than {1:g} % of its time counts "
        "as not lit. So does one that was to burn by the plan that held when the night began, and of which "
        "no record has come an hour after the night's end, as of a cabinet without power; it is counted anew "
        "when its record comes. Nights before the first plan that is kept here are not looked at for that.",
        "亮灯率：当夜应亮的灯中，被观测时间内至少 {0:g} % 时间亮着的灯所占比例。"
        "被观测时间不足应亮时间 {1:g} % 的灯按未亮计。"
        "按该夜开始时生效的方案应亮、而该夜结束一小时后仍无记录的灯（如配电箱断电）也按未亮计；记录补到后重新统计。早于本中心所存首个方案的夜不作此判断。",
    ),
    "intact": (
        "Intact rate: of the lamps with a record, those without a failure in that night. How many have none "
        "is told beside it: of these nobody knows.",
        "设施完好率：有记录的灯中，当夜无故障的灯所占比例。无记录的灯状况不明，其数量另列。",
    ),
    "online": (
        "Concentrators online: share of the night, noon to noon, in which a gateway with lamps was "
        "connected, mean over gateways and nights. Time in which the centre itself was away counts for "
        "nobody. A gateway counts from its first connection on, as long as it gave a sign in this month or "
        "the {2} days before; one that is in the lamp plan counts also where it was never heard of a lamp.",
        "集中控制器在线率：每夜（正午至正午）带灯网关处于连接状态的时间占比，对网关和夜取平均。"
        "中心自身离线的时间不计。网关自首次连接起计入，且须在本月或此前 {2} 天内有过信号；"
        "列入路灯计划的网关即使从未上报过灯具也计入。",
    ),
    "saved": (
        "Energy saved: what was measured, against all lamps at full light from sunset to sunrise, as "
        "long as somebody measured. Compared "
        "are lamps with a rated power and a measurement, in nights in which they were seen to burn for at "
        "least {0:g} % of the time that they were to: a dark lamp saves nothing.",
        "节电率：实测用电量与日落至日出（以有实测的时段为限）全功率照明相比。只比较有额定功率和实测值、"
        "且当夜被观测到亮灯的时间不少于应亮时间 {0:g} % 的灯：未亮不算节电。",
    ),
    "circuits": (
        "A circuit that feeds lamps with records of their own counts in no rate and with no energy; its "
        "failures are told.",
        "其下的灯各有记录的回路不计入各项比率和用电量，其故障照列。",
    ),
    "night": (
        "A night runs from noon to noon and bears the date of its evening.",
        "一夜从正午到次日正午，以傍晚日期命名。",
    ),
}


def failure_words(name: str, language: Language) -> str:
    """Return a failure class in words; one without words goes by its name."""
    return _FAILURES[name][language == "zh"] if name in _FAILURES else name


def rules(language: Language) -> list[str]:
    """Return how nights, rates and energy are counted, a sentence or two each."""
    values = (100 * LIT_SHARE_MIN, 100 * SEEN_SHARE_MIN, GONE_AFTER_DAYS)
    names = ("night", "lit", "intact", "online", "saved", "circuits")
    return [_RULES[name][language == "zh"].format(*values) for name in names]
