# ruff: noqa: E501 - two languages side by side
"""The commissioning report as one page that needs nothing else, in either language. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any

from gengfu.finding_words import CAUSES
from gengfu.language import Language

TEXTS = {
    "title": ("Commissioning report", "调试验收报告"),
    "gateway": ("Gateway", "网关"),
    "district": ("District", "辖区"),
    "technician": ("Technician", "技术员"),
    "written": ("Written", "生成时间"),
    "settings": ("Settings", "配置文件"),
    "digest": ("Digest (SHA-256)", "摘要（SHA-256）"),
    "documents": ("Documents of the centre", "中心下发文档"),
    "broker": ("Broker", "消息代理"),
    "clock": ("Clock", "时钟"),
    "software": ("Software", "软件"),
    "certificate": ("Certificate", "证书"),
    "valid_until": ("{0}, issued by {1}, serial {2}, until {3}", "{0}，签发者 {1}，序列号 {2}，有效期至 {3}"),
    "none": ("none", "无"),
    "connected": ("connected since {0}", "自 {0} 起已连接"),
    "apart": ("not connected", "未连接"),
    "well": ("Nothing was found that is not well.", "未发现异常。"),
    "not_well": ("Not well", "异常事项"),
    "lines": ("Lines", "线路"),
    "devices": ("Devices", "设备"),
    "line": ("Line", "线路"),
    "kind": ("Kind", "类型"),
    "where": ("Port or host", "端口或主机"),
    "format": ("Format", "格式"),
    "share": ("In use", "占用"),
    "device": ("Device", "设备"),
    "unit": ("Unit", "地址"),
    "profile": ("Profile", "设备档案"),
    "firmware": ("Firmware", "固件"),
    "part": ("City part", "部件编码"),
    "state": ("State", "状态"),
    "answer": ("Answers in", "应答时间"),
    "timeouts": ("Timeouts", "超时次数"),
    "identified": ("Says of itself", "自报标识"),
    "point": ("Point", "测点"),
    "value": ("Value", "值"),
    "quality": ("Quality", "质量"),
    "time": ("Time", "时间"),
    "more": ("and {0} more values", "另有 {0} 个值"),
    "no_values": ("no values", "无值"),
    "all_bad": ("none of {0} values: {1}", "{0} 个值均无：{1}"),
    "doctor": ("What is likely wrong", "可能原因"),
    "rules": ("Alarms and controls that are not at rest", "未处于静止状态的报警与控制"),
    "rules_of": ("Declared: alarms {0}, controls {1}.", "已配置报警 {0} 项、控制 {1} 项。"),
    "signature": ("Signature", "签字"),
    "date": ("Date", "日期"),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "ok": ("ok", "正常"),
    "doubtful": ("doubtful", "存疑"),
    "dead": ("no answer", "无应答"),
    "unpowered": ("unpowered", "断电"),
    "no_line": ("no line", "无线路"),
    "not_asked": ("not asked", "未询问"),
    "good": ("good", "良好"),
    "uncertain": ("uncertain", "存疑"),
    "stale": ("stale", "陈旧"),
    "bad": ("bad", "无效"),
    "synchronised": ("synchronised", "已同步"),
    "holdover": ("not synchronised now", "当前未同步"),
    "unset": ("not set", "未校准"),
    "certain": ("certain", "确定"),
    "likely": ("likely", "很可能"),
    "ambiguous": ("cannot tell", "无法区分"),
    "unknown": ("unknown", "未知"),
    "units": ("units {0}", "地址 {0}"),
}
NOT_WELL = {
    "settings": ("The settings have a mistake: {0}", "配置有误：{0}"),
    "not_running": ("No gateway answers: {0}", "网关无应答：{0}"),
    "not_enrolled": ("The gateway is not enrolled: it has no certificate.", "网关未登记：没有证书。"),
    "certificate": ("The certificate cannot be read: {0}", "证书无法读取：{0}"),
    "certificate_time": ("The certificate of {0} is not valid now.", "{0} 的证书当前不在有效期内。"),
    "device_dead": ("{0} does not answer ({1}).", "{0} 无应答（{1}）。"),
    "device_doubtful": ("{0} does not always answer ({1}).", "{0} 应答不稳定（{1}）。"),
    "device_no_line": (
        "{0} cannot be asked: its line does not work ({1}).",
        "{0} 无法询问：线路不通（{1}）。",
    ),
    "device_unpowered": ("{0} has no power: its feeder is off.", "{0} 无电：馈电已断开。"),
    "no_values": ("{0} has given no values yet.", "{0} 尚未给出任何值。"),
    "values": ("{0} has values that are not good: {1}", "{0} 有异常值：{1}"),
    "other_profile": ("{0} is set as {1}, and looks like {2}.", "{0} 配置为 {1}，但看起来是 {2}。"),
    "clock": ("The clock is {0}.", "时钟状态：{0}。"),
    "not_connected": ("The gateway is not connected to {0} {1}", "网关未连接 {0} {1}"),
    "backlog": ("{1} batches of {0} wait for the centre.", "{0} 有 {1} 批等待中心确认。"),
    "rule": ("{0} is {1}.", "{0}：{1}。"),
}
STYLE = """
:root { color-scheme: light } * { box-sizing: border-box }
body { font: 14px/1.45 system-ui, "Noto Sans CJK SC", "WenQuanYi Zen Hei", sans-serif; color: #1b1f23; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 0 1rem } h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; border-bottom: 2px solid #1b4965 }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; overflow-wrap: anywhere }
thead th { border-bottom: 1px solid #8a97a3; font-weight: 600 } tbody tr + tr td { border-top: 1px solid #e3e8ec }
.facts th { width: 13rem; font-weight: 600; color: #46535f } .n { text-align: right; padding-right: 1.4rem; font-variant-numeric: tabular-nums }
.wrong { background: #fff4e0; border-left: .4rem solid #d9822b; padding: .6rem 1rem; margin: 0 } .wrong li { margin-left: 1rem }
.right { background: #e7f5ec; border-left: .4rem solid #2b8a4b; padding: .6rem 1rem }
.ill { color: #a02c1c; font-weight: 600 } .dim { color: #6a7681 }
.device { break-inside: avoid } .sign { display: flex; gap: 3rem; margin-top: 3.5rem; break-inside: avoid }
.sign div { flex: 1; border-top: 1px solid #1b1f23; padding-top: .3rem }
@media print { body { margin: 0; max-width: none; font-size: 11px } }
"""


def page(told: Mapping[str, Any], language: Language) -> str:
    """Return the whole document of what ``gengfu.report_facts`` gives."""
    at = language == "zh"
    title = f"{TEXTS['title'][at]}: {told.get('gateway', '-')}"
    body = "\n".join(_body(told, _Words(language)))
    return (
        f'<!doctype html>\n<html lang="{"zh-CN" if at else "en"}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


class _Words:
    """Texts in one language, ready for a page."""

    def __init__(self, language: Language) -> None:
        self.at = language == "zh"

    def __call__(self, key: str, *values: object) -> str:
        return escape(TEXTS[key][self.at].format(*values))

    def word(self, text: object) -> str:
        """Return a word of ours in this language, any other as it is."""
        return escape(TEXTS[str(text)][self.at] if str(text) in TEXTS else str(text))

    def not_well(self, entry: Mapping[str, Any]) -> str:
        words = [TEXTS[each][self.at] if each in TEXTS else each for each in entry["of"]]
        return escape(NOT_WELL[entry["what"]][self.at].format(*words).replace(" ()", "").replace("（）", ""))


def _body(told: Mapping[str, Any], say: _Words) -> Iterator[str]:
    yield f"<h1>{say('title')}</h1>"
    yield _facts(told, say)
    if wrong := told["not_well"]:
        rows = "".join(f"<li>{say.not_well(each)}</li>" for each in wrong)
        yield f'<h2>{say("not_well")}</h2><ul class="wrong">{rows}</ul>'
    else:
        yield f'<p class="right">{say("well")}</p>'
    yield from _doctor(told.get("doctor", []), say)
    if told.get("lines"):
        yield _lines(told["lines"], say)
        yield f"<h2>{say('devices')}</h2>"
        for device in told["devices"]:
            yield _device(device, say)
    if "rules_count" in told:
        count = told["rules_count"]
        yield f"<h2>{say('rules')}</h2><p>{say('rules_of', count['alarms'], count['controls'])}</p>"
        if told["rules"]:
            rows = "".join(f"<li>{escape(it['name'])}: {escape(it['state'])}</li>" for it in told["rules"])
            yield f"<ul>{rows}</ul>"
    name = escape(told["technician"])
    yield f'<div class="sign"><div>{say("technician")}: {name}</div><div>{say("signature")}</div><div>{say("date")}</div></div>'


def _facts(told: Mapping[str, Any], say: _Words) -> str:
    software = told["software"]
    rows = {
        "gateway": escape(told.get("gateway", "-")),
        "district": escape(told.get("district", "-")),
        "technician": escape(told["technician"]),
        "written": _moment(told["written_ms"]),
        "settings": escape(told["settings"]["file"]),
        "digest": f"<code>{escape(told['settings']['digest'] or '-')}</code>",
        "documents": _documents(told["settings"].get("desired", {}), say),
        "software": escape(f"gengfu {software['gengfu']}, Python {software['python']}, {software['system']}"),
    }
    if told.get("clock"):
        rows["clock"] = f"{_moment(told['time_ms'])}, {say.word(told['clock'])}"
    if link := told.get("link"):
        since = link["connected_since_ms"]
        how = say("apart") if since is None else say("connected", _moment(since))
        rows["broker"] = f"{escape(link['broker'])}: {how}"
    if "certificate" in told:
        it = told["certificate"]
        rows["certificate"] = (
            say(
                "valid_until",
                it["subject"],
                it["issuer"],
                it["serial"],
                _moment(min(each["until_ms"] for each in (it, *it["chain"]))),
            )
            if it
            else say("none")
        )
    told_rows = "".join(f"<tr><th>{say(key)}</th><td>{value}</td></tr>" for key, value in rows.items())
    return f'<table class="facts"><tbody>{told_rows}</tbody></table>'


def _documents(held: Mapping[str, Any], say: _Words) -> str:
    told = [
        f"{kind} {it['sequence']} ({it['stands']}, <code>{it['digest']}</code>)"
        for kind, each in held.items()
        for it in each
    ]
    return "<br>".join(told) or say("none")


def _doctor(told: list[Mapping[str, Any]], say: _Words) -> Iterator[str]:
    if not any(each["causes"] for each in told):
        return
    yield f"<h2>{say('doctor')}</h2>"
    for each in told:
        rows = []
        for it in each["causes"]:
            cause, remedy = (texts[say.at] for texts in CAUSES[it["cause"]])
            units = f" ({say('units', ', '.join(map(str, it['units'])))})" if it["units"] else ""
            rows.append(f'<li>{escape(cause)}{units}<br><span class="dim">{escape(remedy)}</span></li>')
        yield f"<h3>{escape(each['line'])}</h3><ol>{''.join(rows)}</ol>"


def _lines(lines: list[Mapping[str, Any]], say: _Words) -> str:
    heads = "".join(f"<th>{say(key)}</th>" for key in ("line", "kind", "where", "format", "share"))
    rows = "".join(
        f"<tr><td>{escape(it['line'])}</td><td>{escape(it['kind'])}</td><td>{escape(it['where'])}</td>"
        f"<td>{escape(it['format'])}</td><td>{_percent(it['share'])}</td></tr>"
        for it in lines
    )
    return f"<h2>{say('lines')}</h2><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _device(it: Mapping[str, Any], say: _Words) -> str:
    state = say.word(it["state"] or "not_asked")
    known = it["identified"]
    names = " ".join(known[key] for key in ("vendor", "product", "revision") if known[key]) if known else ""
    told = (
        f"{names or '-'} ({say.word(known['verdict'])}{': ' + known['best'] if known['best'] else ''})"
        if known
        else ""
    )
    facts = {
        "line": f"{escape(it['line'])}, {say('unit')} {it['unit_id']}",
        "profile": escape("+".join((it["profile"], *it["shims"])))
        + f" <code>{it['profile_digest'][:12]}</code>",
        "firmware": escape(it["firmware"]),
        "identified": escape(told) if known else "",
        "part": escape(it["part"]),
        "answer": "" if it["answer_s"] is None else f"{1000 * it['answer_s']:.0f} ms",
        "timeouts": "" if not it["timeouts"] else f"{it['timeouts']} ({escape(it['last_error'])})",
    }
    rows = "".join(f"<tr><th>{say(key)}</th><td>{value}</td></tr>" for key, value in facts.items() if value)
    ill = "" if it["state"] == "ok" else ' class="ill"'
    title = f" {escape(it['title'])}" if it["title"] else ""
    return (
        f'<div class="device"><h3>{escape(it["device"])}{title}: <span{ill}>{state}</span></h3>'
        f'<table class="facts"><tbody>{rows}</tbody></table>{_values(it, say)}</div>'
    )


def _values(it: Mapping[str, Any], say: _Words) -> str:
    if not it["values"]:
        return f'<p class="dim">{say("no_values")}</p>'
    errors = {value["error"] for value in it["values"] if value["value"] is None}
    if len(errors) == 1 and all(value["value"] is None for value in it["values"]):
        return f'<p class="ill">{say("all_bad", it["values_count"], errors.pop())}</p>'
    heads = "".join(
        f"<th{' class=n' if key == 'value' else ''}>{say(key)}</th>"
        for key in ("point", "value", "quality", "time")
    )
    rows = "".join(_value(value, say) for value in it["values"])
    left = it["values_count"] - len(it["values"])
    more = f'<p class="dim">{say("more", left)}</p>' if left > 0 else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _value(value: Mapping[str, Any], say: _Words) -> str:
    number, unit = value["value"], value["unit"]
    if isinstance(number, bool):
        shown = say("on" if number else "off")
    elif number is None:
        shown = "-"
    else:
        shown = escape(f"{number:g}" if isinstance(number, float) else str(number)) + (
            "" if unit == "1" else f" {escape(unit)}"
        )
    error = f" ({escape(value['error'])})" if value["error"] else ""
    ill = "" if value["quality"] == "good" else ' class="ill"'
    return (
        f'<tr><td>{escape(value["point"])}</td><td class="n">{shown}</td>'
        f"<td{ill}>{say.word(value['quality'])}{error}</td><td>{_moment(value['time_ms'])}</td></tr>"
    )


def _moment(time_ms: float) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S %z}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
