"""A technician's way from a bare machine to a reporting gateway: ``python -m tests.faults.technician``.

A clean Debian is booted in a folder; three devices hang on its serial port, set to 19200 baud. In a terminal
of 80 columns (tmux) five commands are typed, as docs/tutorials/technician.md tells them; the third is the one
that the centre tells. Whether it worked is asked at the centre, which was made by commands, too: the gateway
has a certificate, and every point of every device a good value. ``--write`` keeps what stood in the terminal
as that page. Control: with another fingerprint the gateway is not enrolled, and nothing is reported. The last
line printed is JSON.
"""

import argparse
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

from bench.commissioning.cabinet import Seated, running
from device_profiles import catalogue
from simulators.servers import HOST
from simulators.uart import Format
from tests.faults import technician_page
from tests.faults.booted_debian import Booted
from tests.faults.debian_root import CannotError, Tools, copied, demand_root, suite
from tests.faults.packaging import tree_of
from tests.faults.plain_centre import NAME, PlainCentre
from tests.faults.technician_page import COMMANDS, Step
from tests.faults.terminal import Terminal
from tools import build_deb, release_tree
from tools.targets import Target

GATEWAY, CONTROL = "cabinet-7", "cabinet-8"
FORMAT = Format(19_200)
SEATS = (
    Seated("bus", 1, "sdm630", FORMAT, named=True),
    Seated("bus", 2, "xy_md02", FORMAT, named=True),
    Seated("bus", 3, "wt901c485", FORMAT),
)
PORT = "/dev/serial/by-path/platform-serial0"
UNIT, SETTINGS = "gengfu-edge.service", "etc/gengfu/edge.toml"
DIALOUT = 20
PROMPT = f"root@{GATEWAY}:/var/tmp# "
COMMAND_S_MAX, REPORT_S_MAX = 400.0, 180.0
CONTROL_S = 30.0
LANGUAGES = {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}
WELL = {"en": " ok ", "zh": " 正常 "}


class Site:
    """What is built once, and what was found wrong."""

    def __init__(self, work: Path, folder: Path, stack: ExitStack) -> None:
        """Bring tools and a Debian, build the package, start cabinet and centre."""
        self.found, self.figures = list[str](), dict[str, float]()
        self.folder, self.tools, self.base = folder, Tools(work / "tools"), work / "base"
        if not self.base.exists():
            self.tools.debian(work / ".base", suite())
            (work / ".base").rename(self.base)
        self.tools.nspawn()
        target, archive = Target.here(), folder / "edge.release"
        version = release_tree.version()
        said = release_tree.archived(tree_of(work), archive, "gengfu-edge", version, target, preset=0)
        self.package = build_deb.package(archive, "edge", said, target, folder)
        ports = stack.enter_context(running(folder, SEATS))
        self.pty = Path(ports["bus"]).resolve()
        os.chown(self.pty, 0, DIALOUT)  # as a serial port is: for the group dialout
        self.pty.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        self.centre = stack.enter_context(PlainCentre(folder))

    def machine(self, name: str) -> Booted:
        """Return a bare machine that has the package in a folder, and knows the centre's name."""
        root = self.folder / name
        copied(self.base, root)
        (root / "etc/hostname").write_text(f"{name}\n")
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n{HOST} {NAME}\n")
        shutil.copy(self.package, root / "var/tmp")
        return Booted(self.tools, root, {self.pty: PORT})

    def must(self, what: str, holds: bool) -> None:
        """Note a claim that does not hold."""
        print(f"{'ok' if holds else 'NOT'}: {what}", flush=True)
        if not holds:
            self.found.append(what)

    def reports(self, gateway: str, settings: Path) -> bool:
        """Say whether the centre has a good value of every point of all devices, and they are all there."""
        profiles = catalogue.load_all()
        devices = tomllib.loads(settings.read_text()).get("devices", [])
        wanted = {each["name"]: len(profiles[each["profile"]].names) for each in devices}
        right = sorted(each["profile"] for each in devices) == sorted(each.profile for each in SEATS)
        return right and self.centre.is_certified(gateway) and self.centre.good_points(gateway) == wanted


def session(site: Site, language: str) -> list[Step]:
    """Type the five commands on a bare machine; return what stood in the terminal."""
    with site.machine(GATEWAY) as machine:
        settings = machine.root / SETTINGS
        site.must("the machine is bare", not settings.exists() and not (machine.root / "opt/gengfu").exists())
        environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_CTYPE=C.UTF-8"]
        environment += [f"LANG={LANGUAGES[language]}", "TERM=screen", f"PS1={PROMPT}"]
        environment += [
            "PERL_BADLANG=0"
        ]  # a bare Debian has generated no locale, and apt's Perl would tell of it
        shell = machine.entering("env", "-i", "-C", "/var/tmp", *environment, "bash", "--norc", "--noprofile")
        began_s, steps = time.monotonic(), list[Step]()
        with Terminal(shell, PROMPT, site.folder) as terminal:

            def type_in(command: str, answers: tuple[tuple[str, str], ...] = ()) -> str:
                since_s = time.monotonic()
                shown = terminal.typed(command, COMMAND_S_MAX, answers)
                took_s = time.monotonic() - since_s
                site.figures[f"step_{len(steps) + 1}_s"] = round(took_s, 1)
                steps.append(Step(command, shown))
                print(f"{shown}\n", flush=True)
                return shown

            shown = type_in(COMMANDS[0].format(package=site.package.name))
            site.must("the installation tells the next command", COMMANDS[1].split(" --")[0] in shown)
            shown = type_in(COMMANDS[1], (("[y/N]:", "y"),))
            site.must("identifying tells the next command", "gengfu edge enrol" in shown)
            shutil.copy(settings, site.folder / "found.toml")
            site.must("nothing is reported yet", not site.reports(GATEWAY, settings))
            shown = type_in(site.centre.enrol_command(GATEWAY))
            site.must("enrolling tells the next commands", all(each in shown for each in COMMANDS[3:]))
            type_in(COMMANDS[3])
            there = machine.wait("reports", lambda: site.reports(GATEWAY, settings), REPORT_S_MAX)
            site.figures["bare_to_reporting_s"] = round(time.monotonic() - began_s, 1)
            site.must("every point of every device has a good value at the centre", there)
            machine.wait("figures", (machine.root / "var/lib/gengfu/edge/lines.json").exists, REPORT_S_MAX)
            shown = type_in(COMMANDS[4])
            site.must(
                "the last command shows three devices that are well",
                shown.count(WELL[language]) == len(SEATS),
            )
            site.must("the service was never started again", machine.shown(UNIT, "NRestarts") == "0")
        site.figures["commands"] = len(steps)
        site.must("five commands suffice", len(steps) <= len(COMMANDS))
    return steps


def control(site: Site) -> bool:
    """Do the same with another authority's fingerprint; say whether it was refused and nothing reported."""
    with site.machine(CONTROL) as machine:
        machine.run("apt-get", "install", "-y", f"/var/tmp/{site.package.name}")
        settings = machine.root / SETTINGS
        settings.write_text((site.folder / "found.toml").read_text())
        words = site.centre.enrol_command(CONTROL).split()
        words[-1] = ("0" if words[-1][0] != "0" else "1") + words[-1][1:]
        done = machine.run(*words, check=False)
        print(f"control: {done.stdout}{done.stderr}", flush=True)
        machine.run("systemctl", "enable", "--now", UNIT, timeout_s=REPORT_S_MAX)
        reported = machine.wait("reports", lambda: bool(site.centre.good_points(CONTROL)), CONTROL_S)
        is_running = machine.process(UNIT) != 0
        refused = done.returncode == 1 and "not the one that was given" in done.stderr
        return refused and is_running and not reported and not site.centre.is_certified(CONTROL)


def main() -> None:
    """Type it all, in one language; tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, help="Keep a Debian and a release's tree there, and take those there."
    )
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.add_argument("--write", action="store_true", help="Keep what stood there in docs/tutorials.")
    parser.add_argument("--short", action="store_true", help="Without the control.")
    given = parser.parse_args()
    began_s = time.monotonic()
    conditions: dict[str, object] = {
        "short": given.short,
        "language": given.language,
        "baud": FORMAT.baud,
        "devices": len(SEATS),
    }
    figures, found = dict[str, float](), list[str]()
    with tempfile.TemporaryDirectory(prefix="gengfu-technician-") as name, ExitStack() as stack:
        work = given.work or Path(name) / "work"
        work.mkdir(exist_ok=True)
        try:
            demand_root()
            site = Site(work, Path(name), stack)
        except CannotError as error:
            conditions["skipped"] = str(error)
            print(f"not done: {error}")
        else:
            steps = session(site, given.language)
            if given.write and not site.found:
                print(f"{technician_page.write(given.language, steps)} written", flush=True)
            if not given.short:
                held = control(site)
                site.must("control: with another fingerprint nothing is enrolled and nothing reported", held)
                site.figures["technician_control_found"] = int(held)
            found = site.found
            figures = site.figures | {"technician_found": len(found)}
    conditions |= {"seconds": round(time.monotonic() - began_s), "found": found}
    print(json.dumps({"name": "technician", "figures": figures, "conditions": conditions}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
