"""``gengfu command`` and ``periods``, as people read them; a centre that only answers is stood in for."""

import contextlib
import getpass
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from gengfu import centre_client
from gengfu.commands.command import app
from gengfu.commands.periods import app as periods_app
from tests.gengfu.operators import CHINESE, ENGLISH

GIVEN = {
    "id": "a" * 32,
    "kind": "switch",
    "target": "relays/relay_1",
    "value": True,
    "issued_ms": 1_800_000_000_000,
    "state": "waiting",
    "refusal": None,
    "reason": "",
    "read_back": None,
}


def said(
    monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]], env: dict[str, str], code: int
) -> tuple[str, list[Any]]:
    """Give a switch; return what is printed, and what the centre was asked."""
    asked: list[Any] = []

    def stand_in(method: str, url: str, path: str, *, body: Any = None, **_: Any) -> Any:
        asked.append((method, path, body))
        return GIVEN | answers[min(len(asked), len(answers)) - 1]

    monkeypatch.setattr(centre_client, "asked", stand_in)
    words = ["switch", "site-1", "relays/relay_1", "on", "--for", "30min", "--wait", "2s", "--who", "wang"]
    result = CliRunner().invoke(app, words, env=env)
    assert result.exit_code == code, result.output
    return result.output, asked


def test_a_switch_is_given_and_its_end_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was read back, in the language of the terminal."""
    done = {"state": "done", "read_back": True}
    told, asked = said(monkeypatch, [{}, {"state": "published"}, done], ENGLISH, 0)
    assert told.endswith("relays/relay_1 on: done, reads on\n")
    assert len(bytes.fromhex(asked[0][2].pop("id"))) == 16
    assert asked[0] == (
        "POST",
        "/gateways/site-1/commands",
        {
            "kind": "switch",
            "target": "relays/relay_1",
            "value": True,
            "for_s": 1800.0,
            "who": "wang",
            "valid_s": 60.0,
        },
    )
    assert [each[1] for each in asked[1:]] == [f"/gateways/site-1/commands/{'a' * 32}"] * 2
    assert "relays/relay_1 开：已执行，读回 开" in said(monkeypatch, [done], CHINESE, 0)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"state": "refused", "refusal": "not_allowed", "reason": "locked by li"},
            "refused (not_allowed: locked by li)",
        ),
        ({"state": "indeterminate", "reason": "look at it"}, "nobody knows whether it was done (look at it)"),
        ({"state": "expired", "reason": "no answer by its time"}, "no answer by its time"),
    ],
)
def test_what_is_not_done_ends_with_1_and_says_why(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], words: str
) -> None:
    """A script hears it as well."""
    told, _ = said(monkeypatch, [answer], ENGLISH, 1)
    assert told.endswith(f"{words}\n")


def test_a_command_that_is_not_answered_yet_says_how_to_look_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its id."""
    told, _ = said(monkeypatch, [{"state": "published"}], ENGLISH, 1)
    assert "sent, no answer yet\n" in told
    assert f"gengfu command show site-1 {'a' * 32}" in told


class Centre:
    """An HTTP server that hangs up on some methods, and answers others with what it is given."""

    def __init__(self, hangs_up: tuple[str, ...] = (), code: int = 200, **answer: Any) -> None:
        """Serve with ``serving``."""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        centre = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                centre.asked.append((self.command, self.path, json.loads(body or b"{}")))
                if self.command in hangs_up:
                    self.close_connection = True
                    return
                told = json.dumps(GIVEN | answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST  # noqa: N815 - as the library calls it

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["Centre"]:
        """Serve."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def run(self, *words: str, code: int = 1, env: dict[str, str] = ENGLISH, of: Any = app) -> str:
        """Run a command against it; return what it says on both streams."""
        result = CliRunner().invoke(of, [*words, "--url", self.url], env=env)
        assert result.exit_code == code, result.output
        return result.output


SWITCH = ("switch", "site-1", "relays/relay_1", "on", "--for", "30min", "--wait", "2s", "--who", "wang")


@pytest.mark.parametrize("hangs_up", [("POST",), ("GET",)])
def test_whoever_hears_nothing_of_a_command_knows_its_id(hangs_up: tuple[str, ...]) -> None:
    """It can be looked up, and given again without being another one."""
    with Centre(hangs_up, state="published").serving() as centre:
        for env in (ENGLISH, CHINESE):
            told = centre.run(*SWITCH, env=env)
            id_ = str(centre.asked[0][2]["id"] if "POST" in hangs_up else GIVEN["id"])
            assert f"gengfu command show site-1 {id_}" in told
            assert ("--id" in told) == ("POST" in hangs_up)
            centre.asked.clear()
        centre.run(*SWITCH, "--id", id_)
        assert centre.asked[0][2]["id"] == id_
        centre.asked.clear()
        assert "32" in centre.run(*SWITCH, "--id", "nonsense")
        assert centre.asked == []


def test_where_nobody_listens_nothing_was_given() -> None:
    """No id is told, for there is nothing to look up."""
    with Centre().serving() as centre:
        pass
    assert "command show" not in centre.run(*SWITCH)


def test_a_command_is_shown_by_its_id() -> None:
    """In one line, as in the list."""
    with Centre(state="done", read_back=True).serving() as centre:
        assert "relays/relay_1 on: done, reads on" in centre.run("show", "site-1", "a" * 32, code=0)
        assert centre.asked == [("GET", f"/api/v1/gateways/site-1/commands/{'a' * 32}", {})]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--for", "9999d"), ("--for", "7 d", "7 天")),
        (("--for", "0s"), ("--for", "more than nothing", "大于 0")),
        (("--for", "soon"), ("--for", "90s, 45min", "90s、45min")),
        (("--for", "1h", "--valid", "2d"), ("--valid", "1 d", "1 天")),
        (("--for", "1h", "--valid", "0.5s"), ("--valid", "1 s", "1 秒")),
        (("--for", "1h", "--who", "li\x1b[2J"), ("--who", "control characters", "控制字符")),
        (("--for", "1h", "--who", "x" * 101), ("--who", "100", "100")),
    ],
)
def test_what_is_mistyped_is_told_by_its_option_and_nothing_is_given(
    words: tuple[str, ...], says: tuple[str, str, str]
) -> None:
    """In both languages."""
    option, english, chinese = says
    with Centre().serving() as centre:
        for env, text in ((ENGLISH, english), (CHINESE, chinese)):
            told = centre.run("switch", "site-1", "relays/relay_1", "on", *words, env=env)
            assert told.startswith(option)
            assert text in told
            assert "\x1b" not in told
        assert centre.asked == []


@pytest.mark.parametrize(("env", "text"), [(ENGLISH, "device/point"), (CHINESE, "设备/点位")])
@pytest.mark.parametrize("output", ["Relays/Relay 1", "spray", "a/b/c"])
def test_an_output_that_no_gateway_has_is_not_asked_for(output: str, env: dict[str, str], text: str) -> None:
    """It is told how one is written."""
    with Centre().serving() as centre:
        assert text in centre.run("switch", "site-1", output, "on", "--for", "1h", env=env)
        assert text in centre.run("release", "site-1", output, env=env)
        assert centre.asked == []


def test_what_the_centre_refuses_is_told_by_what_people_wrote() -> None:
    """Not by the names of the interface."""
    detail = [{"loc": ["body", "for_s"], "msg": "is too long", "type": "x"}]
    with Centre(code=422, detail=detail).serving() as centre:
        assert centre.run(*SWITCH) == "--for: is too long\n"


def test_a_name_with_a_slash_asks_for_no_other_page() -> None:
    """It is one part of the path, whatever stands in it."""
    with Centre(items=[]).serving() as centre:
        centre.run("list", "a/b ?c", code=0)
        assert centre.asked[0][1] == "/api/v1/gateways/a%2Fb%20%3Fc/commands?limit=20"


def test_a_user_whom_the_system_does_not_know_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container there may be no entry for it."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 45678")

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr("os.getuid", lambda: 45678)
    with Centre(state="done").serving() as centre:
        centre.run("release", "site-1", "relays/relay_1", code=0)
        assert centre.asked[0][2]["who"] == "uid 45678"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--for", "0s"), ("periods end", "periods end")),
        (("--for", "40d"), ("31 d", "31 天")),
        (("--for", "6h", "--who", "li\n"), ("control characters", "控制字符")),
    ],
)
def test_a_period_holds_for_some_time_and_not_for_ever(words: tuple[str, ...], says: tuple[str, str]) -> None:
    """Nothing is told to anybody otherwise; to hold for no time is not how one ends it."""
    with Centre().serving() as centre:
        for env, text in zip((ENGLISH, CHINESE), says, strict=True):
            held = ("hold", "flood-watch", "--gateway", "gw-1", *words)
            assert text in centre.run(*held, env=env, of=periods_app)
        assert centre.asked == []


def test_a_gateway_without_periods_is_told_as_that() -> None:
    """An empty list says nothing."""
    with Centre(items=[]).serving() as centre:
        assert "no period holds at gw-1" in centre.run("list", "gw-1", code=0, of=periods_app)
        assert "gw-1 当前无事件时段" in centre.run("list", "gw-1", code=0, env=CHINESE, of=periods_app)
