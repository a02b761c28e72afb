"""``gengfu collector init --host``, ``gengfu gateways`` and ``gengfu edge enrol``, as people type them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gengfu.commands import collector, edge, gateways

NOWHERE = "http://127.0.0.1:9"


def init(*arguments: str) -> Result:
    """Run ``gengfu collector init`` in this process."""
    return CliRunner().invoke(collector.app, ["init", *arguments])


def test_init_with_a_host_says_what_it_wrote_and_what_comes_next(tmp_path: Path) -> None:
    """The fingerprint is what gateways are told to trust; a second time nothing is touched."""
    folder = tmp_path / "centre"
    done = init(str(folder), "--district", "north", "--host", "centre.example")
    assert done.exit_code == 0, done.output
    assert "fingerprint of the authority (SHA-256): " in done.output
    assert "gengfu gateways code GATEWAY" in done.output
    key = (folder / "ca/ca_key.pem").read_bytes()
    again = init(str(folder), "--district", "north", "--host", "centre.example")
    assert again.exit_code == 1
    assert "is there already and is not replaced" in again.output
    assert (folder / "ca/ca_key.pem").read_bytes() == key


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--district", "north"], "belong together"),
        (["--host", "centre.example"], "belong together"),
        (["--district", "north", "--host", "a b"], "no name or address"),
    ],
)
def test_what_is_half_said_makes_nothing(given: list[str], told: str, tmp_path: Path) -> None:
    """No folder, no key."""
    done = init(str(tmp_path / "centre"), *given)
    assert done.exit_code == 1
    assert told in done.output
    assert not (tmp_path / "centre").exists()


def test_without_a_host_init_is_as_it_was(tmp_path: Path) -> None:
    """Settings and signing key, no authority."""
    assert init(str(tmp_path / "centre")).exit_code == 0
    assert not (tmp_path / "centre" / "ca").exists()


@pytest.mark.parametrize(
    "command", [["code", "gw-1"], ["revoke", "gw-1", "--reason", "stolen"], ["certificates"]]
)
def test_a_centre_that_does_not_answer_is_told(command: list[str]) -> None:
    """And where it was looked for."""
    done = CliRunner().invoke(gateways.app, [*command, "--url", NOWHERE])
    assert done.exit_code == 1
    assert NOWHERE in done.output


def test_enrol_says_what_is_in_the_way_in_both_languages(tmp_path: Path) -> None:
    """An address that is none, a centre that is away; nothing is written into the settings."""
    settings = tmp_path / "edge.toml"
    from edge.settings import EXAMPLE

    settings.write_text(EXAMPLE.read_text())
    arguments = ["enrol", "--settings", str(settings), "--code", "x", "--fingerprint", "00"]
    for centre, told in (("http://x", "is no address of a centre"), ("https://localhost:9", "no answer")):
        done = CliRunner().invoke(edge.app, [*arguments, "--centre", centre], env={"LC_ALL": "C"})
        assert done.exit_code == 1
        assert told in done.output
    done = CliRunner().invoke(edge.app, [*arguments, "--centre", centre], env={"LC_ALL": "zh_CN.UTF-8"})
    assert "可用同一注册码重试" in done.output
    assert settings.read_text() == EXAMPLE.read_text()


def test_a_table_of_certificates_is_read_in_both_languages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valid, over and revoked with the reason; what was not known is warned of."""
    row = {"gateway": "gw-1", "serial": "ab", "issued_ms": 0, "not_after_ms": 2_000, "reason": None}
    items = [
        row | {"origin": "code", "revoked_ms": None, "not_after_ms": 9e15 // 1e3},
        row | {"origin": "renewal", "revoked_ms": None},
        row | {"origin": "expired", "revoked_ms": 5, "reason": "stolen"},
        row | {"origin": "unknown", "revoked_ms": None},
    ]
    for language, words in (
        ("C", ("valid", "over", "revoked: stolen", "not known: 1;")),
        ("zh_CN", ("有效", "已过期", "已吊销", "无记录：1 张")),
    ):
        monkeypatch.setenv("LC_ALL", language)
        monkeypatch.setenv("COLUMNS", "140")
        gateways._show(json.loads(json.dumps(items)), 3_000)
        shown = "".join(capsys.readouterr())
        assert all(word in shown for word in words)
