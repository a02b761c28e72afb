"""The technician's tutorial holds: five commands, which are there with these options; each tells the next."""

import re
import shlex

import pytest
import typer
from typer.main import get_command

from gengfu.commands import edge
from tests.faults import technician_page
from tests.faults.technician_page import CODE, COMMANDS, FINGERPRINT, PAGES, Step, page, steady, typed
from tools import build_deb
from tools.locked import ROOT

each_page = pytest.mark.parametrize("language", [each for each in PAGES if PAGES[each].exists()])


def parsed(command: str) -> dict[str, object]:
    """Return what the command's own parser makes of what is typed; a mistake ends the test."""
    words = shlex.split(command)
    assert words[:2] == ["gengfu", "edge"]
    whole = typer.Typer(add_completion=False, rich_markup_mode=None)
    whole.add_typer(edge.app, name="edge")
    group = getattr(get_command(whole), "commands")["edge"]  # noqa: B009
    context = group.commands[words[2]].make_context(words[2], words[3:])
    return dict(context.params)


@each_page
def test_five_commands_suffice_and_are_the_campaign_s(language: str) -> None:
    """What is typed in the page is what the campaign types, the third as the centre tells it."""
    commands = typed(PAGES[language].read_text(encoding="utf-8"))
    assert len(commands) == len(COMMANDS) == 5
    for command, wanted in zip(commands, COMMANDS, strict=True):
        assert re.fullmatch(
            re.escape(wanted).replace(r"\{package\}", r"gengfu-edge_[\w.]+\.deb") or ".+", command
        )


@each_page
def test_every_command_of_the_page_is_there_with_its_options(language: str) -> None:
    """By the commands' own parsers; the paths are those that the package lays down."""
    apt, identify, enrol, start, lines = typed(PAGES[language].read_text(encoding="utf-8"))
    assert apt.startswith("apt install ./gengfu-edge_")
    assert str(parsed(identify)["write"]) == "/etc/gengfu/edge.toml"
    told = parsed(enrol)
    assert (told["code"], told["fingerprint"], told["gateway"]) == (CODE, FINGERPRINT, "cabinet-7")
    for settings in (told["settings"], parsed(lines)["settings"]):
        assert str(settings) == "/etc/gengfu/edge.toml"
    assert start == "systemctl enable --now gengfu-edge"
    assert (ROOT / "systemd/gengfu-edge.service").exists()


@each_page
def test_each_step_shows_the_next_command(language: str) -> None:
    """So nobody needs the page: what the terminal shows leads on."""
    steps = PAGES[language].read_text(encoding="utf-8").split("```console\n")[1:]
    assert "gengfu edge identify --write /etc/gengfu/edge.toml" in steps[0]
    assert "gengfu gateways code GATEWAY" in steps[1]
    assert COMMANDS[3] in steps[2]
    assert COMMANDS[4] in steps[2]


def test_what_is_another_each_time_does_not_stand_in_a_page() -> None:
    """Codes, fingerprints and times are made alike, so that a page that is written again is the same."""
    command = "root@x:~# gengfu edge enrol"
    shown = f"{command} --code 7KQ2-M4XX-0PRS-9T1A --fingerprint {'0b' * 32}  \n2026-11-27 20:01"
    assert steady(shown).split("\n") == [
        f"{command} --code {CODE} --fingerprint {FINGERPRINT}",
        "2027-02-25 09:30",
    ]
    steps = [Step(str(number), f"root@x:~# {number}") for number in range(5)]
    assert typed(page("en", steps)) == list("01234")
    assert set(technician_page.TEXTS) == set(PAGES)


def test_a_package_tells_the_page_s_second_command() -> None:
    """After an installation."""
    assert COMMANDS[1].split(" --effort")[0] in build_deb.NEXT["edge"]
