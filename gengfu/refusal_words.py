# ruff: noqa: E501 - two languages side by side
"""Why a gateway does nothing of what was asked at the cabinet, in the language of the terminal.

It is put on record in English, and the centre gets it so. What is not known here stays as it stands.
"""

import re

from gengfu.language import Language

_WHAT = {
    "output of a control": "控制输出",
    "device": "设备",
    "point": "测点",
    "alarm": "报警",
    "alarm or control": "报警或控制",
}
_CHINESE = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"([^;]+) is locked for maintenance by ([^;]+)", "{0} 已由 {1} 检修锁定"),
        (r"([^;]+) is locked already, by ([^;]+)", "{0} 已由 {1} 锁定"),
        (r"([^;]+) is locked by ([^;]+); unlock it first", "{0} 已由 {1} 锁定；请先解锁"),
        (r"(\S+) is not locked", "{0} 未锁定"),
        (
            r"([^;]+) has locks of several people \(([^;]+)\); write the output",
            "{0} 有多人上锁（{1}）；请写明输出",
        ),
        (r"([^;]+) has (\d+) outputs; write ([^;]+)", "{0} 有 {1} 个输出；请写 {2}"),
        (r"([^;]+) at the cabinet holds ([^;]+)", "{1} 正由现场 {0} 手动控制"),
        (r"nobody holds ([^;]+) by hand", "{0} 当前无人手动控制"),
        (r"its end has passed already", "其结束时间已过"),
        (r"(\S+) s is longer than (\S+) s, the longest that is allowed", "{0} 秒超过允许的最长 {1} 秒"),
        (
            r"a manual hold lasts more than 0 s and (\S+) s at most, not (\S+) s; .+",
            "手动保持须大于 0 秒、至多 {0} 秒，不能是 {1} 秒；更久的作业请锁定输出",
        ),
        (r"(\S+) rests for another (\S+) s", "{0} 还需间歇 {1} 秒"),
        (r"(\S+) has not been seen off since its last run", "{0} 上次运行后尚未读回关闭"),
        (r"no good value of (\S+) \(([^;]+)\)", "被闭锁（{1}）：{0} 没有有效值"),
        (r"([^;]+): (\S+/\S+) held less than (\S+) s ago", "被闭锁（{0}）：{1} 解除不足 {2} 秒"),
        (r"([^;]+): (\S+/\S+) on", "被闭锁（{0}）：{1} 当前开"),
        (r"([^;]+): (\S+/\S+) off", "被闭锁（{0}）：{1} 当前关"),
        (r"([^;]+): (\S+/\S+) (\S+)", "被闭锁（{0}）：{1} 当前 {2}"),
        (r"there is no ([a-z ]+) '([^;]+)' here; write ([^;]+)", "没有名为 {1} 的{0}；请写 {2}"),
        (r"there is no ([a-z ]+) '([^;]+)' here; the settings name none", "没有名为 {1} 的{0}；配置中没有"),
        (r"(\S+) has no control any more; lock it, or release it", "{0} 已无控制使用；请锁定或释放它"),
        (r"no control has the output '([^;]+)'", "没有控制使用输出 {0}"),
        (r"([^;]+) is not active; there is nothing to reset", "{0} 未报警，无需复位"),
        (r"(\S+): its condition still shows", "{0}：报警条件仍在"),
        (r"the gateway is stopping", "网关正在停止"),
        (
            r"(\S+) cannot be written: its profile does not call it writable",
            "{0} 不可写：其设备档案未标明可写",
        ),
        (
            r"(\S+) is not written by hand: ([^;]+) has (\S+); use .+",
            "{0} 不能直接写入：{2} 归 {1} 所有；请用 `gengfu edge manual` 或 `gengfu edge lock`，二者留有记录且会结束",
        ),
        (r"(\S+) is a switch; write on or off", "{0} 是开关量；请写 on 或 off"),
        (r"(\S+) takes a number \(([^;]+)\), not on or off", "{0} 是数值（{1}），不能写 on 或 off"),
        (
            r"(\S+) is out of the range of (\S+); (\S+) to (\S+) (\S+) fit",
            "{0} 超出 {1} 的范围；可写 {2} 至 {3} {4}",
        ),
        (r"(\S+) cannot hold it: (.+)", "{0} 存不下该值：{1}"),
        (
            r"(\S+) is not written: its device does not answer \(([^;]+)\); .+",
            "{0} 未写入：其设备无应答（{1}）；可试 `gengfu edge doctor`",
        ),
        (r"too many commands wait on this line; try again", "该线路上等待的命令过多；请重试"),
    )
]


def refusal(text: str, language: Language) -> str:
    """Return a refusal for people who read this language."""
    if language != "zh":
        return text
    parts = [_chinese(part) for part in text.split("; ")]  # of several outputs each has its own
    return "；".join(parts) if all(parts) else _chinese(text) or text


def _chinese(text: str) -> str:
    for pattern, said in _CHINESE:
        if found := pattern.fullmatch(text):
            return said.format(*(_word(each) for each in found.groups()))
    return ""


def _word(text: str) -> str:
    return _WHAT.get(text, text).replace(" or ", " 或 ").replace(" by ", "：").replace(", ", "、")
