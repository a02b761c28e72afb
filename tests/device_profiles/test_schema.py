"""Everything a profile may not say is refused with file, line, key, what is wrong and what to do."""

from pathlib import Path

import pytest

from device_profiles import catalogue, codec
from toml_files import TomlFileError

HEAD = """\
schema = 1
id = "probe"
title = { en = "probe", zh = "探头" }
vendor = "nobody"
models = ["P1"]
document = "a document that does not exist, for tests"
"""
POINT = """
[[points]]
name = "a"
title = { en = "a", zh = "甲" }
table = "holding_register"
address = 1
"""
RELAY = POINT.replace("holding_register", "coil") + 'type = "bool"\n'
REPEATED = POINT.replace('"a"\ntitle', '"a{n}"\ntitle')
TILT = POINT.replace('"a"\ntitle', '"b"\ntitle') + 'unit = "deg"\n'
DERIVED = """
[[derived]]
name = "d"
title = { en = "d", zh = "丁" }
function = "inclination"
unit = "deg"
"""
LINE_OF_POINT = 8
LINE_OF_NEXT = 13
"""Line of the first key after POINT."""


def told(folder: Path, text: str) -> list[str]:
    """Return the mistakes of a profile file, without the folder."""
    path = folder / "probe.toml"
    path.write_text(text)
    with pytest.raises(TomlFileError) as caught:
        catalogue.load(path)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def test_the_smallest_profile_is_taken(tmp_path: Path) -> None:
    """So that every refusal below has one reason."""
    path = tmp_path / "probe.toml"
    path.write_text(HEAD + POINT + TILT + TILT.replace('"b"\n', '"c"\n') + DERIVED + 'of = ["b", "c"]\n')
    assert catalogue.load(path).names == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("added", "line", "key", "what"),
    [
        ("tpye = 'u16'", LINE_OF_NEXT, "points[0].tpye", "is not a key of this table; did you mean type?"),
        (
            "type = 'u8'",
            LINE_OF_NEXT,
            "points[0].type",
            "must be 'bool', 'u16', 'i16', 'u32', 'i32' or",
        ),
        ("type = 'bool'", LINE_OF_POINT, "points[0]", "type bool in table holding_register; coils and"),
        (
            "bit = 3",
            LINE_OF_POINT,
            "points[0]",
            "bit is one bit of a register, and type u16 is more; add type",
        ),
        (
            "type = 'bool'\nbit = 1\nwritable = true\non_value = 1\noff_value = 0",
            LINE_OF_POINT,
            "points[0]",
            "on_value or off_value on one bit of a register, which is set or not; remove them",
        ),
        ("type = 'bool'\nbit = 16", LINE_OF_NEXT + 1, "points[0].bit", "must be at most 15; 16 was given"),
        (
            "type = 'bool'\nbit = 1\nscale = 2",
            LINE_OF_POINT,
            "points[0]",
            "scale means nothing for type bool; remove it",
        ),
        (
            "type = 'bool'\nbit = 1\nwritable = true\nself_off = { address = 9, step_ms = 1, steps_max = 1 }",
            LINE_OF_POINT,
            "points[0]",
            "self_off is written by FC05, and bit lies in a register; remove",
        ),
        ("scale = 0", LINE_OF_POINT, "points[0]", "scale 0 would make every value 0; give the factor"),
        ("scale = nan", LINE_OF_NEXT, "points[0].scale", "must be a finite number; nan was given"),
        ("scale = '0.1'", LINE_OF_NEXT, "points[0].scale", "must be a number; write it without quotes: 0.1"),
        (
            "decimals = 7",
            LINE_OF_NEXT,
            "points[0].decimals",
            "must be at most 6; 7 was",
        ),
        (
            "unit = ''",
            LINE_OF_NEXT,
            "points[0].unit",
            "must not be empty; '' was given",
        ),
        ("range = [5, 1]", LINE_OF_POINT, "points[0]", "range is not ascending; write [lowest, highest]"),
        ("range = [1]", LINE_OF_NEXT, "points[0].range", "must have at least 2 entries, not 1"),
        ("range = [0, inf]", LINE_OF_NEXT, "points[0].range[1]", "must be a finite number"),
        (
            "word_order = 'little'",
            LINE_OF_POINT,
            "points[0]",
            "word_order means nothing for type u16; remove",
        ),
        ("unit_at = 2", LINE_OF_POINT, "points[0]", "unit_at and unit_codes belong together; give both"),
        (
            "unit_codes = []\nunit_at = 3",
            LINE_OF_POINT,
            "points[0]",
            "unit_at and unit_codes belong together",
        ),
        (
            "unit_at = 3\nunit_codes = [\n  { code = 1, factor = 1 },\n  { code = 1, factor = 2 },\n]",
            LINE_OF_POINT,
            "points[0]",
            "unit code 0x01 is given twice; remove one of them",
        ),
        (
            "unit_at = 3\nunit_codes = [\n  { code = 1, factor = 0 },\n]",
            LINE_OF_NEXT + 2,
            "points[0].unit_codes[0].factor",
            "must be more than 0; 0 was given",
        ),
        (
            "self_off = { address = 9, step_ms = 1, steps_max = 1 }",
            LINE_OF_POINT,
            "points[0]",
            "self_off on a point that is not a writable bool; remove it",
        ),
        (
            "type = 'f32'\ndecimals_at = 3",
            LINE_OF_POINT,
            "points[0]",
            "decimals_at means nothing for type f32",
        ),
        (
            "repeat = { count = 2 }",
            LINE_OF_POINT,
            "points[0]",
            "name 'a' and repeat do not fit; write {n} in",
        ),
    ],
)
def test_a_mistake_in_a_point_is_told(tmp_path: Path, added: str, line: int, key: str, what: str) -> None:
    """Each with its line: of the key where the key is wrong, of the point where keys contradict."""
    [only] = told(tmp_path, HEAD + POINT + added + "\n")
    assert only.startswith(f"probe.toml:{line}: {key}: {what}"), only
    assert "; " in only


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (POINT.replace("= 1\n", "= 65536\n"), "12: points[0].address: must be at most 65535"),
        (POINT.replace("= 1\n", "= -1\n"), "12: points[0].address: must be at least 0"),
        (POINT.replace("= 1\n", '= 65535\ntype = "u32"\n'), "8: points[0]: its second word lies beyond"),
        (POINT.replace('"a"\ntitle', '"A"\ntitle'), "9: points[0].name: must be lower-case letters"),
        (
            POINT.replace("holding", "input") + "writable = true",
            "8: points[0]: table input_register cannot be",
        ),
        (
            POINT.replace("holding_register", "coil"),
            '8: points[0]: table coil holds single bits; add type = "bool"',
        ),
        (RELAY + "scale = 2", "8: points[0]: scale means nothing for type bool; remove it"),
        (RELAY + "bit = 0", "8: points[0]: bit in table coil, which holds single bits; remove it"),
        (
            POINT + 'type = "bool"\nbit = 2\nwritable = true',
            "1: a is a writable bit of a register; if the document knows function 22, add mask_write = true",
        ),
        (RELAY + "decimals_at = 3", "8: points[0]: decimals_at means nothing for type bool; remove it"),
        (REPEATED, "8: points[0]: name 'a{n}' and repeat do not fit; write {n} in the name"),
        (REPEATED + "repeat = { count = 0 }", "13: points[0].repeat.count: must be at least 1"),
        (
            REPEATED + "repeat = { count = 2 }\ntype = 'u32'",
            "8: points[0]: copies of type u32 overlap; write",
        ),
        (
            REPEATED.replace("= 1\n", "= 65535\n") + "repeat = { count = 2 }",
            "8: points[0]: its last copies do not fit: address: must be at most 65535; "
            "lower count, step or address",
        ),
        (
            REPEATED.replace("a{n}", "a" * 60 + "-{n}") + "repeat = { count = 2, first = 999 }",
            "8: points[0]: its last copies do not fit: name: must have at most 64 characters; lower",
        ),
        (POINT + POINT, "1: names given twice: a; rename one of each"),
        (
            POINT + DERIVED + 'of = ["a"]',
            "14: derived[0]: inclination takes two different points; write of =",
        ),
        (TILT + DERIVED + 'of = ["b", "b"]', "15: derived[0]: inclination takes two different points"),
        (TILT + DERIVED + 'of = ["b", "c"]', "1: d is derived of c, which is no point; name a point"),
        (POINT + TILT + DERIVED + 'of = ["b", "a"]', "1: d is derived of a in 1; name a point in deg"),
        (TILT + DERIVED + 'of = ["b", "d"]', "1: d is derived of d, which is no point; name a point"),
        (
            POINT + DERIVED.replace("deg", "rad") + 'of = ["a", "b"]',
            "14: derived[0]: inclination is an angle",
        ),
        (POINT + "[serial]\nbaud = 9600\nunit_id = 248", "15: serial.unit_id: must be at most 247"),
        (POINT + "[modbus]\nregisters_per_request_max = 126", "14: modbus.registers_per_request_max: must"),
        (POINT + "[modbus]\npause_s = -0.1", "14: modbus.pause_s: must be at least 0; -0.1 was given"),
        (POINT + "[modbus]\npause_s = 61", "14: modbus.pause_s: must be at most 60; 61 was given"),
        (POINT + "[modbus]\nlate_answer_s = 'late'", "14: modbus.late_answer_s: must be a number; "),
        (POINT + "[modbus]\nlate_answer_s = inf", "14: modbus.late_answer_s: must be a finite number; "),
        (POINT + "[modbus]\nwake_after_s = 0", "14: modbus.wake_after_s: must be more than 0; 0 was given"),
        (POINT + "[modbus]\nwake_afer_s = 5", "14: modbus.wake_afer_s: is not a key of this table; did you"),
        (RELAY + "on_value = 1", "8: points[0]: on_value or off_value on a point that is never written; rem"),
        (RELAY + "writable = true\non_value = 65536", "15: points[0].on_value: must be at most 65535; "),
        (RELAY + "writable = true\non_value = 0", "8: points[0]: on_value and off_value are the same; "),
        (POINT + "writable = true\non_value = 1", "8: points[0]: on_value means nothing for type u16; rem"),
        (
            POINT + "type = 'bool'\nwritable = true\non_value = 1",
            "8: points[0]: type bool in table holding_register; coils and discrete inputs are bool, of reg",
        ),
        (
            "points = []\n",
            "7: points: must not be empty; [] was given",
        ),
        (
            "".join(
                REPEATED.replace("a{n}", f"{name}-{{n}}") + "repeat = { count = 256 }\n" for name in "abcd"
            ),
            "1: 1024 points; write 1000 at most",
        ),
    ],
)
def test_a_mistake_in_a_profile_is_told(tmp_path: Path, text: str, what: str) -> None:
    """Line, key, what, remedy."""
    lines = told(tmp_path, HEAD + text + "\n")
    assert lines[0].startswith(f"probe.toml:{what}"), lines
    assert "; " in lines[0]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("schema = 1", "schema = 2", "1: schema: must be 1; 2 was given"),
        ("schema = 1\n", "", "1: schema: is missing; add it"),
        (
            'id = "probe"',
            'id = "other"',
            "2: id: 'other' is not the file's name; write id = \"probe\" or rename",
        ),
        (', zh = "探头"', "", "3: title.zh: is missing; add it"),
        ('vendor = "nobody"\n', "", "1: vendor: is missing; add it"),
        ('models = ["P1"]', "models = []", "5: models: must not be empty"),
        ('models = ["P1"]', 'models = [""]', "5: models[0]: must not be empty"),
    ],
)
def test_a_mistake_in_the_head_is_told(tmp_path: Path, before: str, after: str, what: str) -> None:
    """A profile says what it is, or it is none."""
    assert before in HEAD
    [only] = told(tmp_path, HEAD.replace(before, after) + POINT)
    assert only.startswith(f"probe.toml:{what}"), only


def test_a_switch_may_live_in_a_register_and_a_device_may_need_patience(tmp_path: Path) -> None:
    """With both orders given; and the keys of ``modbus`` that say when to ask."""
    path = tmp_path / "probe.toml"
    switch = "type = 'bool'\nwritable = true\non_value = 0x0100\noff_value = 0x0200\n"
    times = "[modbus]\npause_s = 1\nlate_answer_s = 0\nwake_after_s = 30.5\n"
    path.write_text(HEAD + POINT + switch + times)
    profile = catalogue.load(path)
    [point] = profile.points
    assert [codec.written(point, value) for value in (True, False)] == [[0x0100], [0x0200]]
    assert [codec.decode(point, {("holding_register", 1): raw}).value for raw in (1, 0)] == [True, False]
    assert (profile.modbus.pause_s, profile.modbus.late_answer_s, profile.modbus.wake_after_s) == (1, 0, 30.5)
    assert profile.with_points(profile.points) == profile


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """In the order of their lines, so that one round of mending is enough."""
    text = HEAD.replace('"nobody"', "7") + POINT + "scale = true\n" + POINT.replace("address", "adress")
    lines = told(tmp_path, text)
    assert [line.split(": ")[:2] for line in lines] == [
        ["probe.toml:4", "vendor"],
        ["probe.toml:13", "points[0].scale"],
        ["probe.toml:15", "points[1].address"],
        ["probe.toml:19", "points[1].adress"],
    ]


def test_copies_of_a_point_count_on(tmp_path: Path) -> None:
    """Names, titles, addresses, and every address beside them."""
    path = tmp_path / "probe.toml"
    path.write_text(
        HEAD
        + RELAY.replace('"a"\ntitle = { en = "a"', '"out_{n}"\ntitle = { en = "Output {n}"')
        + "writable = true\nrepeat = { count = 3, first = 5, step = 2 }\n"
        + "self_off = { address = 100, step_ms = 100, steps_max = 10 }\n"
    )
    points = catalogue.load(path).points
    assert [(point.name, point.title.en, point.address) for point in points] == [
        ("out_5", "Output 5", 1),
        ("out_6", "Output 6", 3),
        ("out_7", "Output 7", 5),
    ]
    assert [point.self_off.address for point in points if point.self_off] == [100, 102, 104]


def test_bits_of_one_register_are_points(tmp_path: Path) -> None:
    """A status word: each bit by its own name, writable where the device can change a single bit."""
    bits = "".join(
        POINT.replace('"a"\ntitle', f'"{name}"\ntitle') + f'type = "bool"\nbit = {bit}\nwritable = true\n'
        for name, bit in (("door", 0), ("lamp", 15))
    )
    path = tmp_path / "probe.toml"
    path.write_text(HEAD + bits + "[modbus]\nmask_write = true\n")
    assert [(point.name, point.bit) for point in catalogue.load(path).points] == [("door", 0), ("lamp", 15)]


@pytest.mark.parametrize(
    ("register", "what"),
    [
        ('says = "value"', 'values and says = "value" belong together'),
        ('says = "unit_id", values = [3]', 'values and says = "value" belong together'),
        ('says = "text", words = 4', 'text and says = "text" belong together'),
        ('says = "unit_id", words = 2', 'words is of says = "text" only'),
        ('says = "unit_id", codes = [{ code = 1, baud = 9600 }]', 'codes are of says = "baud" only'),
        ('says = "colour"', "must be 'unit_id', 'baud', 'value' or 'text'"),
    ],
)
def test_a_telling_register_says_one_thing(tmp_path: Path, register: str, what: str) -> None:
    """What it holds is what a document says."""
    entry = f'{{ table = "holding_register", address = 2000, {register} }}'
    [line] = told(tmp_path, HEAD + f'[identification]\ndocument = "d"\nregisters = [{entry}]\n' + POINT)
    assert what in line


def test_a_device_that_answers_unit_0_has_a_register_to_be_asked_for(tmp_path: Path) -> None:
    """Else nobody knows what to ask."""
    [line] = told(tmp_path, HEAD + '[identification]\ndocument = "d"\nanswers_unit_0 = true\n' + POINT)
    assert "answers_unit_0 without registers" in line
