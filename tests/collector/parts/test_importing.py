"""Imports: every bad row is told, nothing is half-written, and what changes is counted before."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from collector.parts import book
from collector.parts.checking import Rules
from collector.parts.codes import CodeRules, shipped_minors
from collector.parts.files import Form
from collector.parts.gcj02 import to_gcj02
from collector.parts.importing import GRIDS, PARTS, Import, ImportLimits, Report
from collector.parts.model import GridKind, Part
from collector.parts.places import distance_m
from collector.parts.tables import part_imports, parts
from collector.people.roles import LOCAL
from collector.tables import audit
from tests.collector.making import rows
from tests.collector.parts.making import (
    NOW_MS,
    PART,
    SQUARE,
    csv_text,
    geojson,
    grid,
    imported,
    imported_grids,
    looked,
    part,
    point,
    square,
    state_of,
    told,
)
from toml_files import Title


def mistakes(folder: Path, raw: bytes, form: Form = Form.CSV, **more: Any) -> list[str]:
    """Return what is said of a file; it is looked at, and an attempt to write it writes nothing."""
    with state_of(folder) as database:
        report = looked(database, raw, form, **more)
        assert report.bad >= len(report.problems) > 0
        more.pop("limits", None)
        assert not imported(database, raw, form, **more).written
        register = more.get("register", PARTS)
        assert rows(database, register.table) == rows(database, audit) == rows(database, part_imports) == []
    return list(told(report))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ObjID": "x"}, "ObjID: 'x' is no part code; write 16 digits"),
        ({"ObjID": ""}, "ObjID: '' is no part code"),
        ({"ObjID": "5.00103E+15"}, "ObjID: '5.00103E+15' is no code; Excel turned the code into a number"),
        (
            {"ObjID": "５００１０３０１３２０００００８"},
            "ObjID: '５００１０３０１３２０００００８' is no part code",
        ),
        ({"ObjID": "9901030132000008"}, "ObjID: '9901030132000008' begins with no division of GB/T 2260"),
        ({"ObjID": "5000030132000008"}, "ObjID: '5000030132000008' begins with no division of GB/T 2260"),
        (
            {"ObjID": "5001030199000008"},
            "ObjID: '5001030199000008' has class 0199, which is not known; mend it",
        ),
        ({"ObjID": "5001030132000000"}, "ObjID: '5001030132000000' has sequence 000000"),
        ({"ObjName": " "}, "ObjName: is empty; fill it in"),
        ({"ObjName": "x" * 201}, "ObjName: 'xxxxx"),
        ({"ObjName": "a\tb"}, "ObjName: 'a\\tb' has control characters"),
        ({"BGID": "12"}, "BGID: '12' is no grid code; write 15 digits (14 of the edition of 2005)"),
        ({"BGID": "5.00103E+14"}, "BGID: '5.00103E+14' is no code; Excel"),
        ({"BGID": "500104001001001"}, "BGID: '500104001001001' is in another division than the part"),
        ({"lon": "206"}, "lon: 206, 29.56 lies outside China; write WGS 84"),
        (
            {"lon": "29.56", "lat": "106.55"},
            "lon: 29.56, 106.55 lies in China with lon and lat swapped; swap",
        ),
        (
            {"lon": "36357000", "lat": "3271000"},
            "lon: 36357000, 3271000 is in metres of a projection; export",
        ),
        ({"lat": "nan"}, "lat: 'nan' is no number"),
        ({"lat": "1e1"}, "lat: '1e1' is no number"),
        ({"lat": ""}, "lat: is empty"),
        ({"ORDate": "2026-02-30"}, "ORDate: '2026-02-30' is no date"),
        ({"CHDate": "46084"}, "CHDate: '46084' is no date; write it as 2026-03-01 or 20260301"),
        ({"Note": "n" * 501}, "Note: 'nnnn"),
    ],
)
def test_a_bad_row_is_told_with_its_line(change: dict[str, str], said: str, tmp_path: Path) -> None:
    """And refuses the file: nothing of it is written."""
    good = {**PART, "ORDate": "", "CHDate": "", "Note": ""}
    [problem] = mistakes(tmp_path, csv_text(good, {**good, "ObjID": "5001030132000008", **change}))
    assert problem.startswith(f"line 3: {said}")


def test_every_mistake_of_every_row_is_told(tmp_path: Path) -> None:
    """Nobody mends a file of 10,000 rows one import at a time."""
    raw = csv_text(part(1, lon="x", lat="y"), part(2, ObjName=""), part(3), part(3), part(1))
    assert [each.split(";")[0] for each in mistakes(tmp_path, raw)] == [
        "line 2: lon: 'x' is no number",
        "line 2: lat: 'y' is no number",
        "line 3: ObjName: is empty",
        "line 5: ObjID: '5001030132000003' is given twice, first in line 4",
        "line 6: ObjID: '5001030132000001' is given twice, first in line 2",
    ]


def test_the_report_is_limited_and_counts_all(tmp_path: Path) -> None:
    """100 lines help, 100,000 do not."""
    raw = csv_text(*(part(number, ObjName="") for number in range(1, 31)))
    with state_of(tmp_path) as database:
        report = looked(database, raw, limits=ImportLimits(problems_max=7))
    assert (report.rows, report.bad, len(report.problems)) == (30, 30, 7)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "line 1: the first line lacks ObjID, ObjName"),
        (csv_text(PART).decode().encode("gb18030"), "line 2: is not UTF-8 text; save it as UTF-8 (in Excel"),
        (csv_text(PART).decode().encode("utf-16"), "line 1: is not UTF-8 text"),
        (b"ObjID;ObjName\n", "line 1: the first line lacks ObjID"),
        (csv_text({**PART, "Color": "red"}), "line 1: the first line has 'Color', which is no"),
        (csv_text(PART).replace(b"lat\n", b"lat,lat\n"), "line 1: the first line has lat twice"),
        (csv_text(PART) + b"5001030132000008,x\n", "line 3: has not as many fields as the header"),
        (csv_text(PART) + b'5001030132000008,"x\n\n\n', "line 3: is not CSV: unexpected end of data; mend"),
        (csv_text(PART) + b"5001," + b"x" * 70_000, "line 3: the line is longer than 65536 bytes"),
        (csv_text(part(ObjName="a\0b")), "line 2: ObjName: 'a\\x00b' has control characters; remove"),
    ],
)
def test_a_csv_file_that_is_none_is_told(raw: bytes, said: str, tmp_path: Path) -> None:
    """Excel in China writes GB 18030 and says nothing."""
    [problem] = mistakes(tmp_path, raw)
    assert problem.startswith(said)


def test_codes_that_excel_rounded_are_found_out(tmp_path: Path) -> None:
    """It keeps 15 digits of 16: codes that look sound, and are of other parts."""
    raw = csv_text(*(part(10 * number) for number in range(1, 21)))
    [problem] = mistakes(tmp_path, raw)
    assert problem.startswith("ObjID: every code ends in 0; Excel kept 15 of their 16 digits")


def test_more_rows_than_allowed_are_refused(tmp_path: Path) -> None:
    """In one file, and in all of the register."""
    raw = csv_text(*(part(number) for number in range(1, 6)))
    with state_of(tmp_path) as database:
        assert told(looked(database, raw, limits=ImportLimits(rows_max=4))) == [
            "has more than 4 rows; split it by district, or raise rows_max"
        ]
        imported(database, csv_text(part(9)))
        [problem] = told(looked(database, raw, limits=ImportLimits(register_max=5)))
    assert problem.startswith("would make the register longer than 5")


def test_a_file_may_begin_with_a_mark_and_have_its_columns_in_any_order(tmp_path: Path) -> None:
    """Excel writes a byte order mark into CSV UTF-8, and dates as it likes; quotes may hold commas."""
    row = {
        **PART,
        "ObjName": '"供水器，消火栓, 红"',
        "DeptCode1": "A1",
        "DeptCode2": "A2",
        "DeptCode3": "A3",
        "ObjState": "完好",
        "ORDate": "2026/3/1",
        "CHDate": "20260302",
        "DataSource": "普查",
        "Note": "n",
    }
    raw = b"\xef\xbb\xbf" + csv_text(dict(reversed(row.items()))).replace(b"\n", b"\r\n") + b"\r\n"
    with state_of(tmp_path) as database:
        assert imported(database, raw).written
        found = database.read_now(lambda db: book.find(db, "5001030132000007"))
        assert database.read_now(lambda db: book.PartBook().find(db, "5001030132000008")) is None
    assert found == Part(
        "5001030132000007",
        "供水器，消火栓, 红",
        106.55,
        29.56,
        "500103001001001",
        *("A1", "城管局", "A2", "自来水公司", "A3", "抢修队"),
        *("完好", "2026-03-01", "2026-03-02", "普查", "n"),
    )


def test_what_an_import_changes_is_counted_before_it_is_written(tmp_path: Path) -> None:
    """Added, changed, as before, gone; the same figures afterwards, and on the audit trail."""
    with state_of(tmp_path) as database:
        first = imported(database, csv_text(*(part(number) for number in range(1, 6))))
        assert (first.added, first.written) == (5, True)
        raw = csv_text(part(1), part(2, ObjName="other"), part(3, lat="29.57"), part(8))
        before = looked(database, raw)
        assert before == Report(rows=4, added=1, changed=2, unchanged=1, gone=2)
        after = imported(database, raw)
        assert (after.written, after.added, after.changed, after.unchanged, after.gone, after.removed) == (
            *(True, 1, 2, 1, 2, 0),
        )
        assert len(rows(database, parts)) == 6
        assert looked(database, raw) == Report(rows=4, unchanged=4, gone=2)
        removed = imported(database, raw, remove_gone=True)
        assert (removed.gone, removed.removed) == (2, 2)
        assert [row[0][-1] for row in rows(database, parts)] == ["1", "2", "3", "8"]
        trail = database.read_now(
            lambda db: db.execute(select(audit.c.action, audit.c.target, audit.c.detail)).all()
        )
        assert [json.loads(row.detail)["added"] for row in trail] == [5, 1, 0]
        assert {(row.action, row.target) for row in trail} == {("parts.import", "a file")}


def test_a_write_that_fails_half_way_leaves_the_register_as_it_was(tmp_path: Path) -> None:
    """One transaction: also where the process stops between two batches."""
    with state_of(tmp_path) as database:
        imported(database, csv_text(part(1), part(2)))
        before = rows(database, parts)
        raw = csv_text(*(part(number, ObjName="new") for number in range(1, 1202)))
        with Import(PARTS, io.BytesIO(raw), Form.CSV, Rules(), ImportLimits()) as work:
            database.read_now(work.look)

            def stops(connection: Any) -> None:
                work.write(connection, LOCAL, NOW_MS, "x")
                assert len(connection.execute(select(parts.c.code)).all()) == 1201
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                database.write_now(stops)
        assert rows(database, parts) == before


def test_geojson_says_the_same_as_csv(tmp_path: Path) -> None:
    """Points, codes as numbers, heights, members before and after the features."""
    feature = point({**part(), "ObjID": 5001030132000007, "BGID": 500103001001001, "Color": "red"})
    feature["geometry"]["coordinates"].append(243.0)
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}}
    raw = geojson(feature, point(part(8)), name="parts", crs=crs)
    raw = raw.replace(b'"features"', b'"bbox": [1, 2, 3, 4], "features"')
    with state_of(tmp_path) as database:
        imported(database, csv_text(part(7), part(8)))
        assert looked(database, raw, Form.GEOJSON) == Report(rows=2, unchanged=2)
        assert looked(database, geojson(), Form.GEOJSON) == Report(gone=2)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is no GeoJSON FeatureCollection"),
        (b"[]", "is no GeoJSON FeatureCollection"),
        (b"{}", "is no GeoJSON FeatureCollection"),
        (json.dumps(point(PART)).encode(), "is no GeoJSON FeatureCollection"),
        (geojson(point(PART))[:-1], "is not JSON: it ends early"),
        (geojson(point(PART))[:-20], "is not JSON: "),
        (geojson(point(PART)) + b"x", "is not JSON: something follows its end"),
        (geojson(point(PART)).replace(b"106.55", b"NaN"), "is not JSON: NaN is no number of JSON"),
        (geojson(point(PART)).replace(b"106.55", b"1" * 5_000), "is not JSON: "),
        (b'{"type": "FeatureCollection", "features": ' + b"[" * 100_000, "is not JSON: nested too deep"),
        (geojson(point(PART)).replace("供".encode(), b"\xff\xfe"), "is not UTF-8 text"),
        (geojson({"type": "Point"}), "feature 1: is no GeoJSON feature"),
        (geojson(point(PART), 5), "feature 2: is no GeoJSON feature"),
        (geojson(point(PART, geometry=None)), "feature 1: geometry: has no point as its geo"),
        (geojson(point(PART, geometry=square(*SQUARE))), "feature 1: geometry: has no point"),
        (geojson(point(part(lon="29.56", lat="106.55"))), "feature 1: geometry: 29.56, 106.55 lies in"),
        (geojson(point(PART, properties=None)), "feature 1: ObjID: '' is no part code"),
        (geojson(point({**PART, "ObjID": 5.001e15})), "feature 1: ObjID: '5001000000000000.0' is no text"),
        (geojson(point({**PART, "ObjName": ["x"]})), "feature 1: ObjName: \"['x']\" is no text"),
        (
            geojson(point(PART)).replace("供水器".encode(), b"\\ud800"),
            "feature 1: ObjName: '\\ud800' has con",
        ),
        (geojson(crs={"properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}), "its coordinates are 'urn:"),
        (geojson(crs={"properties": {"name": "EPSG::14326"}}), "its coordinates are 'EPSG::14326'; export"),
        (geojson(crs=5), "its coordinates are '?'"),
        (b'{"a": "' + b"x" * 1_200_000 + b'"}', "is not JSON: a value is longer than 1048576 characters"),
    ],
)
def test_a_geojson_file_that_is_none_is_told(raw: bytes, said: str, tmp_path: Path) -> None:
    """By feature where there is one."""
    problems = mistakes(tmp_path, raw, Form.GEOJSON)
    assert problems[0].startswith(said)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_file_brings_an_import_down(data: st.DataObject) -> None:
    """Sound files with a few bytes changed, cut off or doubled end in a report, whatever they hold."""
    form = data.draw(st.sampled_from(Form))
    raw = bytearray(
        csv_text(part(1), part(2)) if form == Form.CSV else geojson(point(part(1)), point(part(2)))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with Import(PARTS, io.BytesIO(bytes(raw)), form, Rules(), ImportLimits()) as work:
        report = work.look(None)
    assert report.bad == len(report.problems)
    assert all(each.what.zh and each.remedy.zh for each in report.problems)
    assert report.rows <= 2 or form == Form.CSV


def test_a_part_outside_its_grid_is_refused(tmp_path: Path) -> None:
    """By how far; at the edge a few metres are let pass, and a grid without polygon says nothing."""
    with state_of(tmp_path) as database:
        bare = {"type": "Feature", "geometry": None, "properties": {"BGID": "500103001001002"}}
        assert imported_grids(database, grid(), bare).added == 2
        raw = csv_text(
            part(1),
            part(2, lon="106.5511"),  # 10 m outside
            part(3, lon="106.5525", lat="29.56"),
            part(4, BGID="500103001001002", lon="107"),
            part(5, BGID="500103001001003"),
            part(6, BGID=""),
        )
        report = looked(database, raw)
        assert told(report) == [
            "line 4: lon: lies 145 m outside its grid 500103001001001; mend the place or the grid code"
        ]
        assert report.unknown_grids == 1


def test_a_file_in_the_datum_of_a_web_map_is_found_out_and_imported_with_the_flag(tmp_path: Path) -> None:
    """A part would stand half a kilometre away; with the flag it stands where it is."""
    lon, lat = to_gcj02(106.55, 29.56)
    raw = csv_text(part(lon=f"{lon:.9f}", lat=f"{lat:.9f}"))
    with state_of(tmp_path) as database:
        imported_grids(database, grid())
        [problem] = told(looked(database, raw))
        assert problem.endswith(
            "m outside its grid 500103001001001, and inside if the file is GCJ-02; "
            "import it as GCJ-02 (--gcj02)"
        )
        assert imported(database, raw, rules=Rules(gcj02=True)).written
        found = database.read_now(lambda db: book.find(db, "5001030132000007"))
    assert found is not None
    assert distance_m(found.lon, found.lat, 106.55, 29.56) < 0.01


def test_a_city_declares_its_own_classes_and_its_divisions(tmp_path: Path) -> None:
    """An extension is known once it is declared; a file of another district is refused."""
    raw = csv_text(part(ObjID="5001032102000001"))
    [unknown] = mistakes(tmp_path, raw)
    assert "has class 2102, which is not known; mend it, or declare the class in [[parts.minors]]" in unknown
    minors = {**shipped_minors(), "2102": Title(en="Street lighting transformer", zh="路灯变压器")}
    with state_of(tmp_path / "b") as database:
        assert imported(database, raw, rules=Rules(CodeRules(minors))).written
    here = Rules(CodeRules(divisions=("500104", "500105")))
    problems = mistakes(tmp_path / "c", csv_text(part()), rules=here)
    assert [each.split(";")[0] for each in problems] == [
        "line 2: ObjID: '5001030132000007' is of another division than 500104, 500105",
        "line 2: BGID: '500103001001001' is of another division than 500104, 500105",
    ]


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (grid("12"), "feature 1: BGID: '12' is no grid code"),
        (grid("000103001001001"), "feature 1: BGID: '000103001001001' begins with no division"),
        (grid(Kind="big"), "feature 1: Kind: 'big' is no kind of grid; write unit, responsibility"),
        (grid(Parent="5"), "feature 1: Parent: '5' is no area"),
        (grid(Parent="500103001001001"), "feature 1: Parent: '500103001001001' is its own parent"),
        (grid(geometry={"type": "Point", "coordinates": [106, 29]}), "feature 1: geometry: has no polygon"),
        (grid(geometry=square(106, 29, 106, 30)), "feature 1: geometry: is no polygon with an area"),
    ],
)
def test_a_bad_grid_is_told(feature: Any, said: str, tmp_path: Path) -> None:
    """As parts are."""
    [problem] = mistakes(tmp_path, geojson(feature), Form.GEOJSON, register=GRIDS)
    assert problem.startswith(said)


def test_grids_of_all_kinds_come_from_csv_too(tmp_path: Path) -> None:
    """Without polygons; the kinds in either language, unit where nothing is said; 14 digits as of 2005."""
    raw = csv_text(
        {"BGID": "500103001001001", "Kind": "", "Name": "a", "Parent": "500103001"},
        {"BGID": "500103001001002", "Kind": "责任网格", "Name": "b", "Parent": "500103001001001"},
        {"BGID": "50010300100103", "Kind": "handling", "Name": "c", "Parent": ""},
    )
    with state_of(tmp_path) as database:
        assert imported(database, raw, register=GRIDS).added == 3

        def names(kind: GridKind | None) -> list[str]:
            return [each.name for each in database.read_now(lambda db: book.grid_page(db, kind, "", "", 9))]

        pages = [names(kind) for kind in (None, *GridKind)]
        assert pages == [["a", "b", "c"], ["a"], ["b"], ["c"]]
        assert looked(database, raw, register=GRIDS).unchanged == 3
