"""What the command says of itself, at the width of a terminal."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from gengfu.commands import (
    alarms,
    audit,
    cases,
    collector,
    command,
    configuration,
    edge,
    grids,
    incidents,
    lamps,
    messages,
    on_call,
    parts,
    periods,
    platforms,
    profiles,
    relay,
    tokens,
    users,
)

GROUPS = {
    "alarms": alarms.app,
    "cases": cases.app,
    "edge": edge.app,
    "collector": collector.app,
    "configuration": configuration.app,
    "command": command.app,
    "grids": grids.app,
    "incidents": incidents.app,
    "lamps": lamps.app,
    "messages": messages.app,
    "on-call": on_call.app,
    "parts": parts.app,
    "periods": periods.app,
    "platforms": platforms.app,
    "profiles": profiles.app,
    "relay": relay.app,
    "users": users.app,
    "tokens": tokens.app,
    "audit": audit.app,
}


def pages(name: str, app: typer.Typer) -> Iterator[str]:
    """Yield the help of a group, then of each of its commands."""
    whole = typer.Typer(add_completion=False, rich_markup_mode=None)
    whole.add_typer(app, name=name)
    group = getattr(get_command(whole), "commands")[name]  # noqa: B009
    for words in ([], *([one] for one in group.commands)):
        result = CliRunner().invoke(whole, [name, *words, "--help"], terminal_width=80)
        assert result.exit_code == 0
        yield result.output


def real(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, as wide as a plain terminal."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("gengfu")), *words],
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", GROUPS)
def test_no_summary_is_cut_off_and_no_type_of_python_shows(name: str) -> None:
    """A value is called FILE, FOLDER or ID."""
    for page in pages(name, GROUPS[name]):
        assert "..." not in page.replace("[ARGS]...", "").replace("[PORT]...", "").replace(
            "[FILE]...", ""
        ).replace("FILE...", "").replace("{ADDRESS}...", "").replace("{FILE}...", "").replace(
            "[MATCHER]...", ""
        ).replace("MATCHER...", "")
        assert not re.search(r"--\w+ <", page), page
        assert "--no-" not in page


def test_the_first_page_is_short_and_whole() -> None:
    """Every line of it fits, and nothing is about shells."""
    told = real("-h").stdout
    assert "completion" not in told
    assert "..." not in told.replace("[ARGS]...", "")
    assert max(map(len, told.splitlines())) <= 80


def test_the_version_is_told() -> None:
    """As other programs do."""
    assert real("--version").stdout == f"gengfu {version('gengfu')}\n"


def test_a_wrong_option_leads_to_the_help_of_its_command() -> None:
    """Not to that of the whole program."""
    result = real("profiles", "show")
    assert result.returncode == 2
    assert "Try 'gengfu profiles show -h' for help." in result.stderr
