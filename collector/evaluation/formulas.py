"""The formulas of the figures, in versions. A version never changes; what is counted otherwise is a new one.

A count says which cases it counts; a rate is a sum of counts over a sum of counts. All is told in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """What people read, in the two languages of the house."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases of a period, as they stand now; ``words`` say which."""

    name: str
    words: Words


@dataclass(frozen=True, slots=True)
class Rate:
    """``above`` over ``below``: names of counts, a minus before those that are taken away."""

    name: str
    title: Words
    above: tuple[str, ...]
    below: tuple[str, ...]
    words: Words

    def of(self, counts: Mapping[str, int]) -> float | None:
        """Return the rate, 0 to 1; None where nothing is below the line."""
        below = _sum(self.below, counts)
        return _sum(self.above, counts) / below if below else None


@dataclass(frozen=True, slots=True)
class Formulas:
    """A version of them."""

    version: str
    words: Words
    rates: tuple[Rate, ...]


def _sum(names: tuple[str, ...], counts: Mapping[str, int]) -> int:
    return sum(-counts[name[1:]] if name.startswith("-") else counts[name] for name in names)


COUNTS = tuple(
    Count(name, Words(en=en, zh=zh))
    for name, en, zh in (
        ("reported", "cases collected in the period", "期内上报（采集）的案卷"),
        ("filed", "of those reported, filed by now", "上报案卷中，至今已立案的"),
        ("repeated", "of those filed, whose problem had a case before", "立案案卷中，问题曾有案卷的"),
        ("voided", "of those reported, void or merged by now", "上报案卷中，已作废或并案的"),
        (
            "due",
            "filed, not void, the deadline in force on a day of the period that is over",
            "已立案、未作废，且现行时限在期内已过之日的",
        ),
        (
            "not_due_yet",
            "as due, but on a day that is not over yet; in no rate",
            "同上，但时限当日尚未结束的（不计入各率）",
        ),
        ("extended", "of those due, granted an extension", "应结案中，经批准延期的"),
        (
            "closed",
            "of those due, closed by now and not opened again",
            "应结案中，至今已结案且未再开的",
        ),
        ("closed_extended", "of those closed, granted an extension", "已结案中，经批准延期的"),
        ("in_time", "of those closed, at the deadline or before", "已结案中，末次结案在时限内的"),
        ("in_time_extended", "of those in time, granted an extension", "按期结案中，经批准延期的"),
        ("urgent_due", "of those due, urgent", "应结案中的紧急案卷"),
        ("urgent_closed", "of those closed, urgent", "已结案中的紧急案卷"),
        ("reworked", "of those due, brought back for rework at least once", "应结案中，曾返工的"),
        ("reported_left_out", "reported in the period, in an excluded stretch", "期内上报而处于排除时段的"),
        (
            "due_left_out",
            "with their deadline in an excluded stretch of the period",
            "时限处于期内排除时段的",
        ),
        (
            "ended",
            "cases last closed in the period, for the mean times",
            "末次结案在期内的案卷（用于平均时长）",
        ),
    )
)
TIMES = {
    "collected_ms": Words(en="until filed", zh="采集至立案"),
    "filing_ms": Words(en="until dispatched", zh="立案至派遣"),
    "dispatched_ms": Words(en="until in hand", zh="派遣至接办"),
    "in_hand_ms": Words(en="in hand", zh="处理"),
    "verifying_ms": Words(en="until verified", zh="反馈至核实"),
    "whole_ms": Words(en="from report to closing", zh="上报至结案"),
}
"""Mean over the cases that ended in the period and were in that stage; all times in a stage together."""

_FILING = Rate(
    "filing",
    Words(en="filing rate", zh="立案率"),
    ("filed",),
    ("reported",),
    Words(en="filed / reported", zh="立案数 ÷ 上报数"),
)
_URGENT = Rate(
    "urgent_closing",
    Words(en="closing rate, urgent", zh="紧急结案率"),
    ("urgent_closed",),
    ("urgent_due",),
    Words(en="urgent closed / urgent due; must be 100 %", zh="紧急结案数 ÷ 紧急应结案数；须为100%"),
)
_REWORK = Rate(
    "rework",
    Words(en="rework rate", zh="返工率"),
    ("reworked",),
    ("due",),
    Words(en="reworked / due", zh="返工数 ÷ 应结案数"),
)
_REPEATED = Rate(
    "repetition",
    Words(en="repetition rate", zh="重复发案率"),
    ("repeated",),
    ("filed",),
    Words(en="repeated / filed", zh="重复发案数 ÷ 立案数"),
)
_CLOSING, _IN_TIME = Words(en="closing rate", zh="结案率"), Words(en="closing rate, in time", zh="按期结案率")

VERSIONS = (
    Formulas(
        "1",
        Words(
            en="as cities assess: what was extended is not judged",
            zh="按城市考核惯例：经批准延期的不计入",
        ),
        (
            _FILING,
            Rate(
                "closing",
                _CLOSING,
                ("closed", "-closed_extended"),
                ("due", "-extended"),
                Words(
                    en="(closed − closed extended) / (due − extended)",
                    zh="（结案数 − 延期结案数）÷（应结案数 − 延期数）",
                ),
            ),
            Rate(
                "closing_in_time",
                _IN_TIME,
                ("in_time", "-in_time_extended"),
                ("due", "-extended"),
                Words(
                    en="(in time − in time extended) / (due − extended)",
                    zh="（按期结案数 − 延期按期结案数）÷（应结案数 − 延期数）",
                ),
            ),
            _URGENT,
            _REWORK,
            _REPEATED,
        ),
    ),
    Formulas(
        "2",
        Words(
            en="what was extended is judged by its new deadline",
            zh="经批准延期的，按新时限计入",
        ),
        (
            _FILING,
            Rate(
                "closing", _CLOSING, ("closed",), ("due",), Words(en="closed / due", zh="结案数 ÷ 应结案数")
            ),
            Rate(
                "closing_in_time",
                _IN_TIME,
                ("in_time",),
                ("due",),
                Words(en="in time / due", zh="按期结案数 ÷ 应结案数"),
            ),
            _URGENT,
            _REWORK,
            _REPEATED,
        ),
    ),
)
BY_VERSION = {formulas.version: formulas for formulas in VERSIONS}
DEFAULT = "1"
