"""``gengfu command``, as people read it; the centre is stood in for where it only answers."""

from typing import Any

import pytest
from typer.testing import CliRunner

from gengfu import centre_client
from gengfu.commands.command import app
from tests.gengfu.test_edge_lines import CHINESE, ENGLISH

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

    def stand_in(method: str, url: str, path: str, *, body: Any = None, query: Any = None) -> Any:
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
        ({"state": "published"}, "sent, no answer yet"),
    ],
)
def test_what_is_not_done_ends_with_1_and_says_why(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], words: str
) -> None:
    """A script hears it as well."""
    told, _ = said(monkeypatch, [answer], ENGLISH, 1)
    assert told.endswith(f"{words}\n")
