"""``gengfu edge update`` and ``self-test``: a signed release takes the place of the one in force."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from gengfu.updating import Machine
    from releases.deciding import Proof

UNIT = "gengfu-edge.service"
USER = "gengfu"
SETTINGS = Path("/etc/gengfu/edge.toml")
KEYS = Path("/etc/gengfu/release_keys")
SELF_TEST_S_MAX = 300.0
SYSTEMCTL_S_MAX = 150.0
ENDING_S_MAX = 60
"""Twice the unit's TimeoutStopSec."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(short_help="Put a signed release in force; it is left again if it does not work.")(update)
    app.command("self-test", short_help="Say whether this release would work here.")(self_test)


def update(
    archive: Annotated[
        Path, typer.Argument(metavar="RELEASE", help="A release; its signature is beside it.")
    ],
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The gateway's settings file.")] = SETTINGS,
    keys: Annotated[Path, typer.Option(metavar="FILE", help="Whose releases are believed.")] = KEYS,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Take an older one, if its maker has signed that it may.")
    ] = False,
    without_contact: Annotated[
        bool, typer.Option("--without-contact", help="It need not reach the centre to prove itself.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a signed release in force beside the one that is, and go back to that one if it does not work.

    Before the switch it tests itself: modules, settings, buffer. Then it has three minutes to be at work for
    twenty seconds, and to reach the centre if the one before did. A power cut leaves one or the other whole.
    """
    from gengfu.updating import Wanted
    from gengfu.updating import update as put_in_force
    from releases.archive import ReleaseError
    from releases.shelf import Shelf

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if os.geteuid() != 0:
        console.print("an update needs root: try again with sudo")
        raise typer.Exit(1)
    shelf = Shelf()
    wanted = Wanted(archive, keys, downgrade, without_contact)
    try:
        name = put_in_force(shelf, wanted, _machine(settings), console.print)
    except ReleaseError as error:
        if as_json:
            typer.echo(json.dumps({"good": False, "in_force": shelf.current(), "reason": str(error)}))
        else:
            console.print(str(error))
        raise typer.Exit(1) from error
    is_proved = shelf.trial() is None
    if as_json:
        typer.echo(json.dumps({"good": True, "in_force": name, "proved": is_proved}))
    else:
        console.print(f"{name} is in force" if is_proved else f"{name} is in force, on trial")


def self_test(
    settings: Annotated[Path, typer.Argument(metavar="FILE", help="The gateway's settings file.")] = SETTINGS,
) -> None:
    """Say whether this release would work with these settings and their buffer; nothing is changed."""
    from gengfu.self_test import problems

    found = list(problems(settings))
    for problem in found:
        typer.echo(problem, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo("sound")


class _Systemd:
    """This machine, where systemd runs the gateway."""

    def __init__(self, settings: Path) -> None:
        self._settings = settings

    def runs(self) -> bool:
        """See Machine."""
        for _ in range(ENDING_S_MAX):  # one that hangs takes a while to be ended, also for its next start
            if (state := self._state()) != "deactivating":
                break
            time.sleep(1)
        return state in ("active", "activating", "reloading")

    def _state(self) -> str:
        return self._systemctl("show", "--property=ActiveState", "--value", UNIT).strip()

    def restart(self) -> None:
        """See Machine; whether it came up, the proof tells."""
        self._systemctl("restart", "--no-block", UNIT)

    def self_test(self, release: Path) -> str:
        """See Machine: as the service's user, out of the new release."""
        command = [str(release / "bin/gengfu"), "edge", "self-test", str(self._settings)]
        try:
            done = subprocess.run(
                command,
                user=USER,
                group=USER,
                extra_groups=[],
                umask=0o077,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=SELF_TEST_S_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired, LookupError) as error:
            return str(error)
        return "" if done.returncode == 0 else (done.stderr.strip() or "its self-test failed")[-2000:]

    def proved(self) -> "Proof":
        """See Machine."""
        from releases.guarding import proved

        return proved()

    def forget_proof(self) -> None:
        """See Machine."""
        from releases.guarding import PROOF

        PROOF.unlink(missing_ok=True)

    def had_contact(self) -> bool:
        """See Machine: by the report that a running gateway renews."""
        from edge import link_report
        from edge.report_file import ReportUnreadableError
        from edge.settings import Settings
        from toml_files import TomlFile, TomlFileError

        try:
            folder = self._settings.parent / TomlFile.read(self._settings).parse(Settings).state_folder
            report = link_report.read(folder)
        except (ReportUnreadableError, TomlFileError):
            return False
        return not report.stopped and report.connected_since_ms is not None

    def sleep(self, seconds: float) -> None:
        """See Machine."""
        time.sleep(seconds)

    @staticmethod
    def _systemctl(*words: str) -> str:
        try:
            done = subprocess.run(
                ["/usr/bin/systemctl", *words],
                capture_output=True,
                text=True,
                timeout=SYSTEMCTL_S_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""  # no systemd: then no service runs
        return done.stdout


def _machine(settings: Path) -> "Machine":
    return _Systemd(settings)
