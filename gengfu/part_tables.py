"""Parts, grids and reports of imports, at a terminal of 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from gengfu.language import Language
from gengfu.terminal import plain_table

_TEXTS = {
    "code": ("code", "编码"),
    "name": ("name", "名称"),
    "grid": ("grid", "网格"),
    "maintainer": ("maintainer", "养护单位"),
    "distance": ("m", "米"),
    "kind": ("kind", "类型"),
    "parent": ("parent", "上级"),
    "polygon": ("polygon", "图形"),
    "yes": ("yes", "有"),
    "unit": ("unit", "单元"),
    "responsibility": ("responsibility", "责任"),
    "handling": ("handling", "处置"),
    "no_parts": ("no part of the register is like this", "没有符合条件的部件"),
    "no_grids": ("no grid of the register is like this", "没有符合条件的网格"),
    "class": ("class", "类别"),
    "place": ("place (WGS 84)", "坐标（WGS 84）"),
    "gcj02": ("on a web map (GCJ-02)", "网络地图坐标（GCJ-02）"),
    "in_charge": ("in charge", "主管部门"),
    "owner": ("owner", "权属单位"),
    "state": ("state", "状态"),
    "recorded_on": ("recorded", "初始日期"),
    "changed_on": ("changed", "变更日期"),
    "source": ("source", "数据来源"),
    "note": ("note", "备注"),
    "counts": (
        "{rows} rows: {added} added, {changed} changed, {unchanged} as before; {gone} gone",
        "共{rows}行：新增{added}，变更{changed}，未变{unchanged}；登记中有而文件中没有{gone}",
    ),
    "bad": ("{bad} mistakes; nothing is written", "{bad}处错误；未写入"),
    "more": ("and {0} more mistakes", "另有{0}处错误"),
    "written": ("written", "已写入"),
    "removed": ("{removed} removed", "已删除{removed}"),
    "unknown_grids": (
        "{unknown_grids} rows name a grid that the register does not have",
        "{unknown_grids}行的网格未登记",
    ),
    "sound": ("{0}: sound, {1} rows", "{0}：正确，共{1}行"),
}


def part_list(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each part; with its distance where it has one."""
    if not items:
        yield text("no_parts", language)
        return
    near = "distance_m" in items[0]
    table = _table(("code", "name", "grid", "maintainer", *(("distance",) if near else ())), language)
    if near:
        table.columns[-1].justify = "right"
    for item in items:
        cells = [item["code"], item["name"], item["grid"] or "-", item["maintainer"] or "-"]
        table.add_row(*cells, *([f"{item['distance_m']:.0f}"] if near else []))
    yield table


def one_part(item: Mapping[str, Any], language: Language) -> Iterator[RenderableType]:
    """Yield everything known of a part."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    minor = item["minor_name"]
    rows = {
        "code": item["code"],
        "name": item["name"],
        "class": " ".join(filter(None, (item["minor"], minor and minor[language]))),
        "grid": item["grid"],
        "place": _place(item),
        "gcj02": _place(item["gcj02"]),
        **{
            name: " ".join(filter(None, (item[name], item[f"{name}_code"])))
            for name in ("in_charge", "owner", "maintainer")
        },
        **{name: item[name] for name in ("state", "recorded_on", "changed_on", "source", "note")},
    }
    for name, told in rows.items():
        if told:
            table.add_row(text(name, language), told)
    yield table


def grid_list(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each grid."""
    if not items:
        yield text("no_grids", language)
        return
    table = _table(("code", "kind", "name", "parent", "polygon"), language)
    for item in items:
        table.add_row(
            item["code"],
            text(item["kind"], language),
            item["name"] or "-",
            item["parent"] or "-",
            text("yes", language) if item["has_polygon"] else "-",
        )
    yield table


def report(told: Mapping[str, Any], language: Language) -> Iterator[str]:
    """Yield the lines of an import's report, mistakes first."""
    for problem in told["problems"]:
        place, what, remedy = (problem[name][language] for name in ("place", "what", "remedy"))
        where = ": ".join(filter(None, (place, problem["field"], what)))
        yield f"{where}{'；' if language == 'zh' else '; '}{remedy}"
    if more := told["bad"] - len(told["problems"]):
        yield text("more", language, more)
    yield text("counts", language, **told)
    for name in ("unknown_grids", "removed", "bad"):
        if told[name]:
            yield text(name, language, **told)
    if told["written"]:
        yield text("written", language)


def text(key: str, language: Language, *values: object, **named: object) -> str:
    """Return a text in a language."""
    return _TEXTS[key][language == "zh"].format(*values, **named)


def _table(names: Sequence[str], language: Language) -> Table:
    table = plain_table()
    for name in names:
        fixed = name in ("code", "grid", "distance")
        table.add_column(text(name, language), overflow="fold", no_wrap=fixed)
    return table


def _place(item: Mapping[str, Any]) -> str:
    return f"{item['lon']:.7f}, {item['lat']:.7f}"
