"""Mapping files: what they say comes true, and every mistake is told by file, line, key and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st

from collector.platforms import answers, templates
from collector.platforms.answers import HttpAnswer
from collector.platforms.mapping import PlatformMapping
from collector.platforms.mapping_file import EXAMPLE, load_mapping
from collector.platforms.protocol import (
    CannotSay,
    Found,
    NotSent,
    NotThere,
    Outgoing,
    Perhaps,
    Refused,
    Statuses,
    Taken,
)
from collector.platforms.rest import RestConnector
from collector.platforms.templates import TemplateError, Words
from tests.collector.making import NOW_MS
from toml_files import TomlFile, TomlFileError

CASE: dict[str, Any] = {
    "id": "a" * 32,
    "number": "north-20270115-00001",
    "stage": "collected",
    "class": {"code": "010201", "title": {"en": "Cover open", "zh": "井盖移位"}},
    "problem": "cover_open",
    "description": "盖子开了",
    "part": {"code": "5001030102000001", "name": ""},
    "place": {"lon": 106.5512345, "lat": None, "grid": "500103001001001"},
    "departments": {"in_charge": "城管局", "owner": "", "maintainer": ""},
    "opened_ms": NOW_MS,
}
GOOD = """schema = 1
[answers]
code = "code"
duplicate = ["E7"]
not_taken = ["E1"]
ambiguous = ["E2"]
number = "data.no"
message = "msg"
[messages.opened]
path = "/x"
"""


def example() -> PlatformMapping:
    """Return the manual, as a mapping."""
    return load_mapping(EXAMPLE)


def requested(mapping: PlatformMapping, kind: str = "opened", **changes: Any) -> Any:
    """Return the request of a case by a mapping."""
    connector = RestConnector(
        "https://p.example/api", mapping, secret="k", timeout_s=1, now_ms=lambda: NOW_MS, new_id=lambda: "n-1"
    )
    return connector.request_of(Outgoing("a" * 32, 1, kind, CASE | changes), "a" * 32)


def test_the_manual_is_a_mapping_and_makes_the_requests_that_it_describes() -> None:
    """Codes, stages, local time, decimals, what is missing."""
    request = requested(example())
    assert (request.method, request.url) == ("POST", "https://p.example/api/cases")
    assert json.loads(request.body) == {
        "eventNo": "north-20270115-00001",
        "externalId": "a" * 32,
        "category": "A01",
        "title": "井盖移位",
        "address": "未登记部件",
        "reportedAt": "2027-01-15 16:00:00",
        "longitude": "106.551235",
        "latitude": None,
        "department": "城管局",
    }
    assert request.headers["Idempotency-Key"] == "a" * 32
    assert request.headers["X-Nonce"] == "n-1"
    assert request.headers["X-Timestamp"] == str(NOW_MS)
    progress = requested(example(), "stage", stage="dispatched")
    assert progress.url == f"https://p.example/api/cases/{'a' * 32}/progress"
    assert json.loads(progress.body)["state"] == "2"


def test_what_has_no_code_is_not_sent_with_a_wrong_one() -> None:
    """A person adds it to the table."""
    mapping = example().model_copy(update={"codes": {"category": {"x": "1"}}})
    with pytest.raises(TemplateError, match=r"no code for '010201' in the table \[codes.category\]; add it"):
        requested(mapping)


def test_what_is_filled_into_a_path_cannot_leave_it_and_headers_stay_headers() -> None:
    """Whatever a description holds."""
    text = 'schema = 1\n[messages.opened]\nmethod = "GET"\npath = "/x/{description}?q={problem}"\n'
    mapping = TomlFile(text, "m.toml").parse(PlatformMapping)
    request = requested(mapping, description="../a?b=c&d#e 盖", problem="a&b=c")
    assert request.url == ("https://p.example/api/x/..%2Fa%3Fb%3Dc%26d%23e%20%E7%9B%96?q=a%26b%3Dc")
    headed = 'schema = 1\n[messages.opened]\npath = "/x"\nheaders = { X-A = "{description}" }\n'
    mapping = TomlFile(headed, "m.toml").parse(PlatformMapping)
    with pytest.raises(TemplateError, match="header X-A"):
        requested(mapping, description="a\r\nX-Evil: 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[messages.opened]\npath = "/x/{clas.code}"\n',
            "m.toml:3: messages.opened.path: {clas.code}: a case has no",
        ),
        ('[messages.opened]\npath = "x"\n', "m.toml:3: messages.opened.path: begins with / or ?"),
        (
            '[messages.opened.body]\na = "{stage|stag}"\n',
            "m.toml:3: messages.opened.body.a: {stage|stag}: no filter",
        ),
        (
            '[messages.opened.body]\na = { b = ["x", "{number|code:kind}"] }\n',
            "m.toml:3: messages.opened.body.a.b[1]: {number|code}: no table [codes.kind]",
        ),
        ('[messages.opened.body]\na = "{number"\n', "m.toml:3: messages.opened.body.a: a lone {"),
        (
            '[messages.opened.body]\na = "{place.lon|fixed:x}"\n',
            "m.toml:3: messages.opened.body.a: {place.lon|fixed}",
        ),
        ("[messages.closed]\n", "m.toml:2: messages.closed"),
        ("[messages]\n", "m.toml:2: messages"),
        ('[messages.opened]\n[answers]\nnumber = "a..b"\n', "m.toml:4: answers.number: 'a..b' is no path"),
        (
            "[messages.opened]\n[answers]\nduplicate_statuses = [99]\n",
            "m.toml:4: answers.duplicate_statuses[0]",
        ),
        (
            '[messages.opened]\n[authentication]\nkind = "oauth"\n',
            "m.toml:4: authentication.kind: 'oauth' is unknown",
        ),
        (
            '[messages.opened]\n[authentication]\nkind = "hmac"\ntext = "{body}"\n',
            "m.toml:5: authentication.text: must hold {timestamp}, {nonce}",
        ),
        (
            '[messages.opened]\n[key]\nheader = ""\n',
            "m.toml:4: key.header: is empty, and not every message holds",
        ),
        (
            '[messages.opened]\n[stages]\nfiled = ["1"]\nreported = ["1"]\n',
            "m.toml:5: stages.reported: '1' stands",
        ),
        ('[messages.opened]\n[stages]\nclosed = ["1"]\n', "m.toml:4: stages.closed"),
        (
            '[messages.opened]\n[poll]\nrequest = { path = "/e?a={number}" }\nstatus = { case = "c" }\n',
            "m.toml:4: poll.request.path: {number}: a case has no such field",
        ),
        (
            '[messages.opened]\n[callbacks]\nauthentication = { kind = "hmac" }\nstatus = { stage = "s" }\n',
            "m.toml:5: callbacks.status: names neither case nor number",
        ),
        ("[messages.opened]\n[look_up]\nfound = 'x'\n", "m.toml:3: look_up.request: is missing"),
        (
            '[messages.opened]\n[look_up]\nrequest = { method = "GET", path = "/x" }\n',
            "m.toml:3: look_up: does not say how the platform says that it does not have a case",
        ),
    ],
)
def test_mistakes_are_told_by_line_and_key(text: str, said: str, tmp_path: Path) -> None:
    """Before a case meets them."""
    path = tmp_path / "m.toml"
    path.write_text(f"schema = 1\n{text}")
    with pytest.raises(TomlFileError) as caught:
        load_mapping(path)
    [problem] = [str(each).replace(f"{tmp_path}/", "") for each in caught.value.problems]
    assert problem.startswith(said)
    assert ": " in problem


def good() -> PlatformMapping:
    """Return a mapping whose platform tells success in the body."""
    return TomlFile(GOOD, "good").parse(PlatformMapping)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"code": 0, "data": {"no": 17}}, Taken),
        (200, {"code": "0"}, Taken),
        (200, {"code": "E7", "data": {"no": "C-1"}}, Taken),
        (400, {"code": "E7"}, Taken),
        (200, {"code": "E1"}, NotSent),
        (500, {"code": "E1"}, NotSent),
        (200, {"code": "E2"}, Perhaps),
        (200, {}, Perhaps),
        (200, [], Perhaps),
        (200, {"code": None}, Perhaps),
        (200, {"code": True}, Perhaps),
        (200, {"code": "E9", "msg": "无此类别"}, Refused),
        (503, {"code": "0"}, NotSent),
        (500, {"code": "0"}, Perhaps),
        (302, {}, Perhaps),
        (422, {}, Refused),
    ],
)
def test_a_code_in_the_body_decides_where_there_is_one(status: int, body: Any, kind: type) -> None:
    """A 200 alone says nothing there."""
    answer = answers.of_message(HttpAnswer(status, json.dumps(body).encode()), good())
    assert type(answer) is kind
    if isinstance(answer, Refused) and status == 200:
        assert answer.reason == "answered 200: 无此类别"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"code": "0", "data": []}, NotThere),
        (200, {"code": "0", "data": None}, NotThere),
        (404, {}, NotThere),
        (200, {"code": "0", "number": "C-1", "data": [1]}, Found),
        (200, {"code": "0"}, CannotSay),
        (200, {"code": "1", "data": []}, CannotSay),
        (200, {"data": []}, CannotSay),
        (500, {"data": []}, CannotSay),
        (429, {}, CannotSay),
        (302, {}, CannotSay),
    ],
)
def test_not_there_has_to_be_said(status: int, body: Any, kind: type) -> None:
    """An answer without a number says nothing: on it a case would be sent a second time."""
    assert type(answers.of_look_up(HttpAnswer(status, json.dumps(body).encode()), example())) is kind


def test_a_page_of_events_is_read_with_what_is_wrong_in_it() -> None:
    """Times in local time, unknown stages told, the cursor kept where none came."""
    items = [
        {"eventId": "1", "eventNo": "n-1", "state": 20, "time": NOW_MS, "dept": "城管局", "remark": "派单"},
        {"eventId": "2", "eventNo": "n-1", "state": "9"},
        {"eventId": "3", "state": "2"},
        {"eventNo": "n-2", "state": "3", "time": "yesterday"},
        7,
    ]
    body = json.dumps({"code": 0, "data": {"items": items}}).encode()
    page = answers.of_poll(HttpAnswer(200, body), example(), "41")
    assert isinstance(page, Statuses)
    [status] = page.items
    assert (status.stage, status.code, status.department) == ("dispatched", "20", "城管局")
    assert page.cursor == "41"
    assert not page.more
    assert [problem.partition(";")[0] for problem in page.problems] == [
        "state: unknown stage code '9'",
        "eventNo: missing",
        "time: no time of the form ms",
        "an item is no JSON object",
    ]


def test_what_has_no_id_is_known_by_case_stage_and_time() -> None:
    """So a poll and a callback tell the same event once."""
    item = {"eventNo": "n-1", "state": "3", "time": NOW_MS}
    poll = example().poll
    assert poll
    first = answers.status_of(item, poll.status, example())
    again = answers.status_of(dict(reversed(item.items())), poll.status, example())
    other = answers.status_of(item | {"time": NOW_MS + 1}, poll.status, example())
    assert not isinstance(first, str)
    assert first == again
    assert first.event_id != other.event_id  # type: ignore[union-attr]


NAMES = st.sampled_from(["code", "data", "items", "state", "eventNo", "time", "number", "no"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given_that(JSON | st.binary(max_size=40), st.integers(200, 599))
def test_no_answer_of_a_platform_is_too_strange(body: Any, status: int) -> None:
    """Whatever it says means something, and none of it ends the centre."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HttpAnswer(status, raw)
    for mapping in (example(), good()):
        assert isinstance(answers.of_message(answer, mapping), Taken | NotSent | Perhaps | Refused)
        assert isinstance(answers.of_look_up(answer, mapping), Found | NotThere | CannotSay)
        assert isinstance(answers.of_poll(answer, mapping, ""), Statuses | CannotSay)


@given_that(st.text(max_size=30))
def test_a_template_is_sound_or_said_not_to_be(text: str) -> None:
    """What was found sound can be filled in."""
    if templates.problems(text, Words(), lambda _path: True):
        return
    filled = templates.text(text, CASE, Words())
    assert isinstance(filled, str)
