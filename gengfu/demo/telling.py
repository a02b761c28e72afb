"""What the demo says, in both languages."""

from collections.abc import Sequence
from typing import Literal

from gengfu.demo.story import STEPS, Step
from gengfu.language import Language

Outcome = Literal["good", "early", "bad"]

_TEXTS = {
    "title": ("Gengfu: a city block on this machine", "更夫：本机上的一个街区"),
    "lighting": ("three lighting cabinets", "三台路灯控制箱"),
    "lamps": ("lamps", "路灯"),
    "in_force": ("plan in force", "计划生效"),
    "planless": ("without the plan", "尚无计划"),
    "site": ("construction site", "建筑工地"),
    "street": ("street", "街道"),
    "dust": ("PM10", "PM10"),
    "valve": ("sprinkler", "喷淋"),
    "on": ("RUNNING", "运行中"),
    "off": ("off", "关闭"),
    "resting": ("resting (at least 10 s)", "间歇（至少 10 s）"),
    "limit": ("limit", "限值"),
    "cover": ("cover", "井盖"),
    "pressure": ("water main", "供水管"),
    "broker": ("broker", "消息代理"),
    "centre": ("centre", "中心"),
    "up": ("up", "运行"),
    "down": ("DOWN", "停止"),
    "killed": ("KILLED and wiped", "已终止并清空"),
    "waiting": ("waiting batch(es)", "批积压"),
    "alarms": ("alarms", "报警"),
    "counts": ("({active} active, {ended} ended)", "（{active} 条未解除，{ended} 条已解除）"),
    "ended": ("ended", "已解除"),
    "cases": ("cases at the city platform", "城市平台案卷"),
    "story": ("story", "经过"),
    "end": ("Ctrl-C ends it", "按 Ctrl-C 结束"),
    "complete": ("the story is complete; Ctrl-C counts both ends", "故事已完整；按 Ctrl-C 核对两端计数"),
    "first": ("waiting for the first values …", "正在等待首批数据……"),
    "starting": ("starting: ", "正在启动："),
    "platform": ("city platform", "城市平台"),
    "site-devices": ("devices of the construction site", "建筑工地的设备"),
    "site-gateway": ("gateway of the construction site", "建筑工地的网关"),
    "street-gateway": ("gateway of the street", "街道的网关"),
    "street-devices": ("devices of the street", "街道的设备"),
    "stopping": ("stopping …", "正在停止……"),
    "stopped": (
        "stopped before everything had started; there is nothing to count",
        "尚未全部启动即已停止；没有可核对的数据",
    ),
    "files": ("files: ", "文件："),
    "colon": (": ", "："),
    "none": ("none yet", "暂无"),
    "counting": ("stopping; both ends are counted …", "正在停止并核对两端计数……"),
    "missing": ("did not happen", "未发生"),
    "good": (
        "Verdict: every sample that a device served is stored at the centre once, lamps did what the "
        "preview says, and the story is whole.",
        "结论：设备送出的每个样本都在中心保存且仅保存一次，灯光与预览一致，故事的每一步都已发生。",
    ),
    "early": (
        "Ended before the story was over; until then nothing was lost or doubled, no lamp strayed.",
        "故事未完即结束；至此没有丢失，没有重复，灯光无偏差。",
    ),
    "bad": ("Verdict: NOT as it should be.", "结论：与应有的结果不符。"),
}


def text(name: str, language: Language) -> str:
    """Return one of the demo's texts."""
    return _TEXTS[name][language == "zh"]


def told(step: Step, at_s: float, language: Language) -> str:
    """Return the line that tells a step."""
    return f"{at_s:5.0f} s  {step.zh if language == 'zh' else step.en}"


def verdict(figures: dict[str, int], missing: Sequence[Step], language: Language, outcome: Outcome) -> str:
    """Return the end of the story in words."""
    lines = [
        f"samples taken {figures['samples_taken']}, stored {figures['samples_stored']}, "
        f"lost {figures['lost']}, duplicated {figures['duplicated']}",
        f"alarms {figures['alarms_raised']}, cases {figures['cases_raised']} "
        f"(duplicated {figures['cases_duplicated']}, verified by sensors {figures['cases_verified']}), "
        f"sprinkler runs {figures['sprinkler_runs']}, "
        f"broker kills {figures['broker_kills']} with {figures['queued_at_kill']} batches waiting",
        f"lamp plans in force {figures['lamp_plans_in_force']}, lamp checks {figures['lamp_checks']}, "
        f"not as previewed {figures['lamp_deviations']}, lamp alarms {figures['lamp_alarms']}",
    ]
    if language == "zh":
        lines = [
            f"采样 {figures['samples_taken']}，入库 {figures['samples_stored']}，"
            f"丢失 {figures['lost']}，重复 {figures['duplicated']}",
            f"报警 {figures['alarms_raised']}，案卷 {figures['cases_raised']}"
            f"（重复 {figures['cases_duplicated']}，传感器核实 {figures['cases_verified']}），"
            f"喷淋 {figures['sprinkler_runs']} 次，"
            f"消息代理被终止 {figures['broker_kills']} 次（积压 {figures['queued_at_kill']} 批）",
            f"照明计划生效 {figures['lamp_plans_in_force']} 台，核对灯光 {figures['lamp_checks']} 次，"
            f"与预览不符 {figures['lamp_deviations']} 次，路灯报警 {figures['lamp_alarms']} 条",
        ]
    happened, of = len(STEPS) - len(missing), len(STEPS)
    if outcome == "early":
        lines.append(
            f"故事共 {of} 步，已发生 {happened} 步"
            if language == "zh"
            else f"{happened} of {of} steps of the story happened"
        )
    else:
        before = text("missing", language) + text("colon", language)
        lines += [before + (step.zh if language == "zh" else step.en) for step in missing]
    return "\n".join([*lines, text(outcome, language)])
