"""What can be wrong with a row of an import: where, what, and what to do, in both languages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from collector.deadlines.calendar import Remark

GIVEN_CHARACTERS_MAX = 60
Unit = Literal["file", "line", "feature"]

_KINDS: dict[str, tuple[str, str, str, str]] = {
    "unreadable": ("cannot be read: {0}", "check the path", "无法读取：{0}", "请检查路径"),
    "too_long": (
        "is longer than {0} bytes",
        "split it by district",
        "文件超过{0}字节",
        "请按区拆分",
    ),
    "encoding": (
        "is not UTF-8 text",
        "save it as UTF-8 (in Excel: CSV UTF-8)",
        "不是UTF-8编码",
        "请另存为UTF-8（Excel中选“CSV UTF-8”）",
    ),
    "header": (
        "the first line lacks {0}",
        "begin the file with {1}",
        "首行缺少{0}",
        "首行应为{1}",
    ),
    "column": (
        "the first line has {0}, which is no attribute",
        "remove the column, or call it one of {1}",
        "首行的{0}不是已知属性",
        "请删除该列，或使用：{1}",
    ),
    "column_twice": ("the first line has {0} twice", "remove one of them", "首行{0}重复", "请删除其一"),
    "csv": ("is not CSV: {0}", "mend the quotes there", "不是有效的CSV：{0}", "请检查该处引号"),
    "line_length": (
        "the line is longer than {0} bytes",
        "check the line ends and quotes",
        "该行超过{0}字节",
        "请检查换行和引号",
    ),
    "json": ("is not JSON: {0}", "export it again", "不是有效的JSON：{0}", "请重新导出"),
    "collection": (
        "is no GeoJSON FeatureCollection",
        "export it as GeoJSON with all features in one collection",
        "不是GeoJSON要素集合",
        "请导出为FeatureCollection",
    ),
    "crs": (
        "its coordinates are {0}",
        "export it in EPSG:4490 (CGCS2000) or EPSG:4326 (WGS 84), in degrees",
        "坐标系为{0}",
        "请按EPSG:4490（CGCS2000）或EPSG:4326（WGS 84）以度为单位导出",
    ),
    "rows": (
        "has more than {0} rows",
        "split it by district, or raise rows_max",
        "超过{0}行",
        "请按区拆分，或调高rows_max",
    ),
    "register": (
        "would make the register longer than {0}",
        "remove what is gone first, or raise register_max",
        "登记总数将超过{0}",
        "请先删除不存在的部件，或调高register_max",
    ),
    "fields": (
        "has not as many fields as the header",
        "check its commas and quotes",
        "字段数与首行不符",
        "请检查逗号和引号",
    ),
    "feature": ("is no GeoJSON feature", "export it again", "不是GeoJSON要素", "请重新导出"),
    "no_point": (
        "has no point as its geometry",
        "export parts as points",
        "几何不是点",
        "部件应导出为点",
    ),
    "position": ("has no sound position", "write lon, lat in degrees", "坐标无效", "请填写经度、纬度（度）"),
    "no_polygon": (
        "has no polygon as its geometry",
        "export grids as polygons, or without geometry",
        "几何不是面",
        "网格应导出为面，或不带几何",
    ),
    "polygon": (
        "is no polygon with an area",
        "draw it again: rings of four positions or more",
        "面无效",
        "请重新绘制：每环至少四个点",
    ),
    "ring_open": (
        "has a ring that does not end where it began",
        "close it",
        "有未闭合的环",
        "请闭合",
    ),
    "vertices": ("has more than {0} vertices", "simplify it", "顶点超过{0}个", "请简化图形"),
    "polygon_outside": (
        "lies outside China, or lon and lat are swapped",
        "export it as lon, lat in degrees",
        "超出中国范围，或经纬度颠倒",
        "请按经度、纬度（度）导出",
    ),
    "no_text": ("{0} is no text", "write it as text", "{0}不是文本", "请按文本填写"),
    "empty": ("is empty", "fill it in", "为空", "请填写"),
    "long_text": (
        "{0} has more than {1} characters",
        "shorten it",
        "{0}超过{1}个字符",
        "请缩短",
    ),
    "characters": (
        "{0} has control characters",
        "remove them; often a line break in a cell",
        "{0}含控制字符",
        "请删除，多为单元格内换行",
    ),
    "excel_number": (
        "{0} is no code",
        "Excel turned the code into a number; format the column as text and enter the codes again",
        "{0}不是编码",
        "Excel把编码变成了数字：请将该列设为文本后重新录入",
    ),
    "excel_zeros": (
        "every code ends in 0",
        "Excel kept 15 of their 16 digits; import the column as text from the source",
        "所有编码都以0结尾",
        "Excel只保留了16位中的15位：请从来源以文本方式重新导入该列",
    ),
    "part_code": (
        "{0} is no part code",
        "write 16 digits: division 6, major 2, minor 2, sequence 6",
        "{0}不是部件编码",
        "应为16位数字：区划6、大类2、小类2、流水号6",
    ),
    "division": (
        "{0} begins with no division of GB/T 2260",
        "write the code of the district",
        "{0}的前6位不是行政区划代码（GB/T 2260）",
        "请填写区县代码",
    ),
    "other_division": (
        "{0} is of another division than {1}",
        "remove it, or add its division to [parts] divisions",
        "{0}不属于{1}",
        "请删除，或在[parts] divisions中加入该区划",
    ),
    "minor": (
        "{0} has class {1}, which is not known",
        "mend it, or declare the class in [[parts.minors]]",
        "{0}的小类{1}未知",
        "请更正，或在[[parts.minors]]中声明",
    ),
    "sequence": (
        "{0} has sequence 000000",
        "sequences begin at 000001",
        "{0}的流水号为000000",
        "流水号从000001开始",
    ),
    "twice": (
        "{0} is given twice, first in {1}",
        "remove one of them",
        "{0}重复，首次出现在{1}",
        "请删除其一",
    ),
    "grid_code": (
        "{0} is no grid code",
        "write 15 digits (14 of the edition of 2005)",
        "{0}不是网格编码",
        "应为15位数字（2005版14位）",
    ),
    "grid_division": (
        "{0} is in another division than the part",
        "mend one of the codes",
        "{0}与部件不在同一区划",
        "请更正其一",
    ),
    "grid_kind": (
        "{0} is no kind of grid",
        "write unit, responsibility or handling",
        "{0}不是网格类型",
        "应为unit、responsibility或handling（单元、责任、处置）",
    ),
    "parent": (
        "{0} is no area",
        "write the code of a grid, community, street or district, or nothing",
        "{0}不是区域编码",
        "请填写网格、社区、街道或区县编码，或留空",
    ),
    "own_parent": ("{0} is its own parent", "write the one around it", "{0}的上级是自己", "请填写上级编码"),
    "number": (
        "{0} is no number",
        "write degrees, such as 106.551234",
        "{0}不是数字",
        "请填写度，如106.551234",
    ),
    "projected": (
        "{0} is in metres of a projection",
        "export degrees: EPSG:4490 (CGCS2000) or EPSG:4326 (WGS 84)",
        "{0}是投影坐标（米）",
        "请按度导出：EPSG:4490（CGCS2000）或EPSG:4326（WGS 84）",
    ),
    "swapped": (
        "{0} lies in China with lon and lat swapped",
        "swap the columns",
        "{0}的经纬度颠倒",
        "请对调两列",
    ),
    "outside_china": (
        "{0} lies outside China",
        "write WGS 84 or CGCS2000 degrees",
        "{0}超出中国范围",
        "请填写WGS 84或CGCS2000坐标（度）",
    ),
    "outside_grid": (
        "lies {0} m outside its grid {1}",
        "mend the place or the grid code",
        "位于网格{1}之外{0}米",
        "请更正坐标或网格编码",
    ),
    "outside_grid_gcj02": (
        "lies {0} m outside its grid {1}, and inside if the file is GCJ-02",
        "import it as GCJ-02 (--gcj02)",
        "位于网格{1}之外{0}米；若文件为GCJ-02则在网格内",
        "请按GCJ-02导入（--gcj02）",
    ),
    "date": (
        "{0} is no date",
        "write it as 2026-03-01 or 20260301",
        "{0}不是日期",
        "请写成2026-03-01或20260301",
    ),
}

_UNITS = {"line": ("line {0}", "第{0}行"), "feature": ("feature {0}", "第{0}个要素"), "file": ("", "")}


@dataclass(frozen=True, slots=True)
class BadRow:
    """One mistake. ``number`` is the line, or the feature from 1 on; 0 is the file as a whole."""

    unit: Unit
    number: int
    field: str
    kind: str
    values: tuple[str, ...] = ()

    @property
    def place(self) -> Remark:
        """Return where it is."""
        return place(self.unit, self.number)

    @property
    def what(self) -> Remark:
        """Return what is wrong."""
        en, _, zh, _ = _KINDS[self.kind]
        return Remark(*self._filled(en, zh))

    @property
    def remedy(self) -> Remark:
        """Return what to do."""
        _, en, _, zh = _KINDS[self.kind]
        return Remark(*self._filled(en, zh))

    def _filled(self, *texts: str) -> Iterator[str]:
        for text in texts:
            yield text.format(*self.values)


def place(unit: Unit, number: int) -> Remark:
    """Return a place in a file as people say it."""
    return Remark(*(each.format(number) for each in _UNITS[unit if number else "file"]))


def shown(given: object) -> str:
    """Return what was given, so that people find it again."""
    text = given if isinstance(given, str) else repr(given)
    text = text if len(text) <= GIVEN_CHARACTERS_MAX else f"{text[: GIVEN_CHARACTERS_MAX - 3]}..."
    return repr(text)
