"""The gateway's package under a real systemd: restricted, watched, updated.

A clean Debian is booted in a folder. The gateway runs as its unit says, reads a simulated device on a real
pty and delivers to a real mosquitto. It hangs, and systemd starts it again; nothing does where a device, the
broker or both are away. Releases are put in force: good ones, some that do not work, forged and older ones,
and the power is cut on the way. Controls: a gateway that nobody watches stays hung; a release that does not
work is not left where no guard stands before the start. The last line printed is JSON.
"""

import argparse
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from contract.releases import SUFFIX, Offer, signed
from contract.signing import SigningKey
from releases.archive import digest, manifest
from releases.service import JUDGED_AFTER_S
from simulators import cabinet_file
from simulators.mosquitto import Mosquitto
from simulators.running import RunningCabinet
from simulators.servers import free_port
from tests.faults.booted_debian import Booted
from tests.faults.debian_root import (
    CannotError,
    Tools,
    copied,
    demand_root,
    difference,
    inside,
    standing,
    suite,
)
from tests.faults.packaging import tree_of
from tools import build_deb, release_tree
from tools.targets import Target

UNIT = "gengfu-edge.service"
WATCHDOG_S = 8
PATIENCE_S = 120.0
DIALOUT = 20
PORT = "/dev/ttySIM0"
CABINET = """schema = 1
title = { en = "updates", zh = "更新" }
[[lines]]
name = "rs485-1"
kind = "serial"
baud = 9600
link = "ttyRS485-1"
[[devices]]
name = "station"
line = "rs485-1"
unit_id = 1
profile = "renke_dust"
values = { pm10 = 100, temperature = 18.4, humidity = 40 }
"""
SETTINGS = """schema = 1
district = "north"
gateway = "gw-1"
state_folder = "/var/lib/gengfu/edge"
[broker]
host = "127.0.0.1"
port = {port}
[buffer]
stop_drain_s = 0
[clock]
source = "wall"
[[lines]]
kind = "serial"
name = "rs485-1"
port = "/dev/ttySIM0"
baud = 9600
[[devices]]
name = "station"
line = "rs485-1"
profile = "renke_dust"
interval_s = 0.5
"""
BROKEN = {
    "crashes": ("edge/run.py", "    lock = state_folder.Lock()\n", "    raise RuntimeError\n"),
    "never_ready": (
        "edge/life.py",
        "    process.at_work(",
        "    await asyncio.sleep(1e6)\n    process.at_work(",
    ),
    "polls_nothing": (
        "edge/polling.py",
        "        while True:\n",
        "        await __import__('asyncio').sleep(1e6)\n        while True:\n",
    ),
    "reaches_nobody": (
        "edge/uplink/mqtt.py",
        "    async def _connection(self) -> None:\n",
        "    async def _connection(self) -> None:\n        raise OSError('nobody is there')\n",
    ),
    "fails_its_test": (
        "edge/schedule.py",
        '"""Whose turn',
        'import a_module_that_is_not_there\n"""Whose turn',
    ),
}
"""What is wrong with a release: a file, what stands there, and what stands there instead."""


@dataclass(frozen=True)
class Made:
    """What is built once: the package and releases with their signatures, by what they are for."""

    package: Path
    folder: Path
    key: SigningKey

    def release(self, name: str) -> Path:
        """Return a release by what it is for."""
        return self.folder / f"{name}.release"


def made(work: Path, folder: Path) -> Made:
    """Build the package of 0.1.0 and the releases that are to follow it."""
    target, key = Target.here(), SigningKey.make()
    tree = folder / "tree"
    shutil.copytree(tree_of(work), tree, symlinks=True)
    _version(tree, "0.1.0", folder / "first.release")
    keys = build_deb.KEYS + key.public.line + "\n"
    first = folder / "first.release"
    package = build_deb.package(first, "edge", manifest(first), target, folder, keys)
    result = Made(package, folder, key)
    _version(tree, "0.2.0", result.release("good"))
    _signed(result.release("good"), key)
    _version(tree, "0.3.0", result.release("newest"))
    _signed(result.release("newest"), key)
    shutil.copy(result.release("good"), result.release("old"))
    _signed(result.release("old"), key)
    shutil.copy(result.release("good"), result.release("old_permitted"))
    _signed(result.release("old_permitted"), key, ["0.3.0"])
    shutil.copy(result.release("newest"), result.release("unsigned"))
    shutil.copy(result.release("newest"), result.release("stranger"))
    _signed(result.release("stranger"), SigningKey.make())
    shutil.copy(result.release("newest"), result.release("changed"))
    _signed(result.release("changed"), key)
    with result.release("changed").open("ab") as file:
        file.write(b"\0")
    for number, (name, (file_name, before, after)) in enumerate(BROKEN.items()):
        [module] = tree.glob(f"lib/*/site-packages/{file_name}")
        text = module.read_text()
        assert before in text, name
        module.write_text(text.replace(before, after, 1))
        for stale in module.parent.glob(f"__pycache__/{module.stem}.*.pyc"):
            stale.unlink()
        _version(tree, f"0.9.{number}", result.release(name))
        _signed(result.release(name), key)
        module.write_text(text)
    return result


def _version(tree: Path, version: str, archive: Path) -> None:
    release_tree.renamed(tree, version)
    release_tree.archived(tree, archive, "gengfu-edge", version, Target.here(), preset=0)


def _signed(archive: Path, key: SigningKey, may_replace: list[str] | None = None) -> None:
    said = manifest(archive)
    offer = Offer(
        1, said.product, said.version, said.python, said.multiarch, digest(archive), may_replace or []
    )
    archive.with_name(archive.name + SUFFIX).write_bytes(signed(offer, key))


class Site:
    """A booted Debian with the package, the cabinet beside it, and what was found wrong."""

    def __init__(self, tools: Tools, base: Path, made: Made, folder: Path, stack: ExitStack) -> None:
        """Lay everything down; boot it."""
        self.found, self.made = list[str](), made
        self.figures: dict[str, float] = {}
        (folder / "cabinet").mkdir()
        (folder / "cabinet/cabinet.toml").write_text(CABINET)
        plan = cabinet_file.load(str(folder / "cabinet/cabinet.toml"))
        self.cabinet = stack.enter_context(
            RunningCabinet(plan, folder / "cabinet", now_ms=lambda: time.time_ns() // 1_000_000)
        )
        pty = (folder / "cabinet/ttyRS485-1").resolve()
        os.chown(pty, 0, DIALOUT)  # as a serial port is: for the group dialout
        pty.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        self.broker = Mosquitto(folder / "broker")
        self.broker.start()
        stack.callback(self.broker.stop)
        self.root = folder / "site"
        copied(base, self.root)
        self.before = standing(self.root)
        shutil.copy(made.package, self.root / "tmp/package.deb")
        self.machine = Booted(tools, self.root, {pty: PORT})
        stack.callback(self.machine.cut)
        self.machine.boot()

    def must(self, what: str, holds: bool) -> None:
        """Note a claim that does not hold."""
        print(f"{'ok' if holds else 'NOT'}: {what}", flush=True)
        if not holds:
            self.found.append(what)

    def install(self) -> None:
        """Install the package, write the settings, start the service; the watchdog is short here."""
        shutil.copy(self.made.package, self.root / "var/tmp/package.deb")
        self.machine.run("dpkg", "-i", "/var/tmp/package.deb")
        (self.root / "var/tmp/package.deb").unlink()
        settings = self.root / "etc/gengfu/edge.toml"
        settings.write_text(SETTINGS.format(port=self.broker.port))
        self.dropped_in(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=1\n")
        self.machine.run("systemctl", "enable", "--now", UNIT, timeout_s=PATIENCE_S)

    def dropped_in(self, text: str) -> None:
        """Change the unit as an administrator does."""
        folder = self.root / f"etc/systemd/system/{UNIT}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(text)
        self.machine.run("systemctl", "daemon-reload")

    def restarts(self) -> int:
        """Return how often systemd has started the service again by itself."""
        return int(self.machine.shown(UNIT, "NRestarts"))

    def in_force(self) -> str:
        """Return the version in force."""
        try:
            return (self.root / "opt/gengfu/current").readlink().name.split("-")[0]
        except OSError:
            return ""

    def proved(self) -> dict[str, object]:
        """Return what the gateway has proved."""
        try:
            data = json.loads((self.root / "var/lib/gengfu/edge/proof.json").read_text())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def read_well(self) -> bool:
        """Say whether the device on the pty is read now, by the gateway's own report."""
        try:
            report = json.loads((self.root / "var/lib/gengfu/edge/lines.json").read_text())
        except (OSError, ValueError):
            return False
        fresh = time.time() * 1000 - report["written_ms"] < 15_000
        fresh = fresh and self.machine.shown(UNIT, "ActiveState") == "active"  # not one that is being ended
        return fresh and [device["state"] for line in report["lines"] for device in line["devices"]] == ["ok"]

    def update(self, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Put a release in force as a person does."""
        for path in self.made.folder.glob(f"{name}.release*"):
            shutil.copy(path, self.root / "var/tmp" / path.name)
        done = self.machine.run(
            "gengfu",
            "edge",
            "update",
            "--json",
            f"/var/tmp/{name}.release",
            *options,
            check=False,
            timeout_s=900,
        )
        for path in (self.root / "var/tmp").glob(f"{name}.release*"):
            path.unlink()
        return done


def restricted(site: Site) -> None:
    """It works as its unit says, on a pty and to a broker, and may do nothing else."""
    machine = site.machine
    works = machine.wait("reading", lambda: site.read_well() and site.proved().get("contact"), PATIENCE_S)
    site.must("restricted, it reads its device and reaches its broker", works)
    site.figures["exposure_running"] = limits_hold(machine, UNIT, site.must, 1.5)
    site.must("it was never started again", site.restarts() == 0)


def watched(site: Site) -> None:
    """What hangs is started again; what is away is no reason."""
    machine = site.machine
    before, process = site.restarts(), machine.process(UNIT)
    site.cabinet.cabinet.buses["rs485-1"].set_alive("station", alive=False)
    site.broker.kill()
    time.sleep(3 * WATCHDOG_S)
    site.must("a dead device and no broker are no reason", site.restarts() == before)
    site.must("it is the same process", machine.process(UNIT) == process)
    site.broker.start()
    site.cabinet.cabinet.buses["rs485-1"].set_alive("station", alive=True)
    began_s = time.monotonic()
    machine.run("sh", "-c", f"kill -STOP {process}")
    again = machine.wait("again", lambda: site.restarts() > before and site.read_well(), PATIENCE_S)
    site.figures["hang_to_reading_again_s"] = round(time.monotonic() - began_s, 1)
    site.must("a gateway that hangs is started again and reads", again)
    told = machine.run("journalctl", "-u", UNIT, "--no-pager", "-o", "cat").stdout
    site.must("the log says it was the watchdog", "atchdog timeout" in told)
    site.dropped_in("[Service]\nWatchdogSec=0\nRestartSec=1\n")
    machine.run("systemctl", "restart", UNIT, timeout_s=PATIENCE_S)
    before, process = site.restarts(), machine.process(UNIT)
    machine.run("sh", "-c", f"kill -STOP {process}")
    time.sleep(3 * WATCHDOG_S)
    stays = machine.process(UNIT) == process and site.restarts() == before
    site.must("control: unwatched, it stays hung", stays)
    site.figures["watchdog_control_found"] = int(stays)
    site.dropped_in(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=1\n")
    machine.run("sh", "-c", f"kill -KILL {process}")
    machine.wait("again", site.read_well, PATIENCE_S)


def refused(site: Site) -> None:
    """Nothing but what its maker has signed, and nothing older."""
    for name, says in (
        ("unsigned", "cannot be read"),
        ("stranger", "is not pinned here"),
        ("changed", "not the file that was signed"),
    ):
        done = site.update(name)
        reason = json.loads(done.stdout)["reason"] if done.returncode == 1 else done.stdout + done.stderr
        site.must(f"{name}: refused: {reason}", done.returncode == 1 and says in reason)
    site.must("the first is in force", site.in_force() == "0.1.0")


def good(site: Site) -> None:
    """Updates that work, and a downgrade that is allowed."""
    for name, version, options in (
        ("good", "0.2.0", []),
        ("newest", "0.3.0", []),
        ("old_permitted", "0.2.0", ["--downgrade"]),
        ("newest", "0.3.0", []),
    ):
        if name == "old_permitted":
            for given in ([], ["--downgrade"]):
                done = site.update("old", *given)
                site.must(
                    f"an older one is refused {given}", done.returncode == 1 and site.in_force() == "0.3.0"
                )
        began_s = time.monotonic()
        done = site.update(name, *options)
        told = json.loads(done.stdout) if done.stdout else {"reason": done.stderr}
        proved = done.returncode == 0 and told.get("proved") is True
        site.must(
            f"{name}: {version} is in force and has proved itself: {told}",
            proved and site.in_force() == version,
        )
        site.figures["update_s"] = round(time.monotonic() - began_s, 1)
    site.must("it reads", site.machine.wait("reading", site.read_well, PATIENCE_S))


def left(site: Site, names: list[str]) -> None:
    """Releases that do not work: the one before is in force again, and works."""
    for name in names:
        began_s = time.monotonic()
        done = site.update(name)
        reason = json.loads(done.stdout)["reason"] if done.returncode == 1 else done.stdout + done.stderr
        site.must(
            f"{name}: left: {reason.splitlines()[0]}", done.returncode == 1 and site.in_force() == "0.3.0"
        )
        works = site.machine.wait("reading", site.read_well, PATIENCE_S)
        site.figures[f"{name}_left_s"] = round(time.monotonic() - began_s, 1)
        site.must(f"{name}: the one before works again after {site.figures[f'{name}_left_s']} s", works)


def cut(site: Site) -> None:
    """Power cuts while a release that crashes is on trial and whoever put it there is gone with the power."""
    for path in site.made.folder.glob("crashes.release*"):
        shutil.copy(path, site.root / "var/tmp" / path.name)
    leader = site.machine
    updating = subprocess.Popen(
        ["nsenter", "--target", str(leader._leader), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd",
         "gengfu", "edge", "update", "/var/tmp/crashes.release"],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    on_trial = leader.wait("trial", lambda: site.in_force() == "0.9.0", PATIENCE_S)
    leader.cut()
    updating.wait(60)
    site.must("the power is cut while it is on trial", on_trial)
    began_s = time.monotonic()
    leader.boot()
    back = leader.wait("back", lambda: site.in_force() == "0.3.0" and site.read_well(), PATIENCE_S)
    site.figures["cut_to_reading_again_s"] = round(time.monotonic() - began_s, 1)
    site.must("after the boot the one before works, by the guard alone", back)
    # Control: without the guard nobody goes back.
    site.dropped_in(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=1\nExecStartPre=\n")
    [crashing] = (site.root / "opt/gengfu/releases").glob("0.9.0-*")
    name = crashing.name
    script = f"from releases.shelf import Shelf\nShelf().begin_trial('{name}')\n"
    leader.run("/opt/gengfu/current/bin/python3", "-I", "-B", "-c", script)
    leader.run("systemctl", "restart", "--no-block", UNIT)
    time.sleep(20)
    stays = site.in_force() == "0.9.0"
    site.must("control: without the guard it stays in force", stays)
    site.figures["guard_control_found"] = int(stays)
    site.dropped_in(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=1\n")
    back = leader.wait("back", lambda: site.in_force() == "0.3.0" and site.read_well(), PATIENCE_S)
    site.must("with it again, it is left", back)
    for path in (site.root / "var/tmp").glob("crashes.release*"):
        path.unlink()


def unreached(site: Site) -> None:
    """A release works and reaches nobody, and whoever put it in force is gone: it is left while it runs."""
    machine = site.machine
    ready = machine.wait("contact", lambda: site.read_well() and site.proved().get("contact"), PATIENCE_S)
    site.must("the one before is in contact", ready)
    for path in site.made.folder.glob("reaches_nobody.release*"):
        shutil.copy(path, site.root / "var/tmp" / path.name)
    command = ("gengfu", "edge", "update", "/var/tmp/reaches_nobody.release")
    machine.run("systemd-run", "--unit=updating", "--collect", *command)
    version = f"0.9.{list(BROKEN).index('reaches_nobody')}"
    on_trial = machine.wait("trial", lambda: site.proved().get("contact") is False, PATIENCE_S)
    site.must("it is at work on trial", on_trial and site.in_force() == version)
    machine.run("systemctl", "kill", "--signal=KILL", "updating.service")
    began_s, before = time.monotonic(), site.restarts()
    back = machine.wait("back", lambda: site.in_force() == "0.3.0", JUDGED_AFTER_S + PATIENCE_S)
    site.figures["unreached_left_s"] = round(time.monotonic() - began_s, 1)
    site.must("it was left by a judge alone, not by starts", back and site.restarts() == before)
    failed = json.loads((site.root / "opt/gengfu/failed.json").read_text())
    site.must(f"why is kept: {failed['reason']}", "no contact with the centre" in failed["reason"])
    works = machine.wait("reading", lambda: site.read_well() and site.proved().get("contact"), PATIENCE_S)
    site.must("the one before reads and is in contact again", works)
    for path in (site.root / "var/tmp").glob("reaches_nobody.release*"):
        path.unlink()


def limits_hold(machine: Booted, unit: str, must: Callable[[str, bool], None], exposure_max: float) -> float:
    """Look at the running process of a unit from outside; return how exposed its systemd finds it."""
    process = machine.process(unit)
    status = machine.run("cat", f"/proc/{process}/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    must("its system calls are filtered", fields["Seccomp"] == "2")
    must("it can gain no rights", fields["NoNewPrivs"] == "1")
    rights = {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    must("it has no capability", rights == {"0000000000000000"})
    must("it is not root", "0" not in fields["Uid"].split())
    told = machine.run("systemd-analyze", "security", "--no-pager", unit).stdout
    exposure = float(told.rsplit("Overall exposure level for", 1)[1].split(":")[1].split()[0])
    must(
        f"systemd finds the running service at {exposure_max} or less ({exposure})", exposure <= exposure_max
    )
    inside_it = ("nsenter", "--target", str(process), "--mount", "sh", "-c")
    house = unit.removeprefix("gengfu-").removesuffix(".service")
    refused = [
        path
        for path in ("/usr/x", "/etc/gengfu/x", "/opt/gengfu/x", "/root/x", "/home/x")
        if machine.run(*inside_it, f"touch {path}", check=False).returncode
    ]
    must("even root in its place writes nowhere but to its state", len(refused) == 5)
    state = f"/var/lib/gengfu/{house}/x"
    must(
        "there it does", machine.run(*inside_it, f"touch {state} && rm {state}", check=False).returncode == 0
    )
    return exposure


def centre(tools: Tools, base: Path, work: Path, folder: Path, broker: Mosquitto) -> tuple[list[str], float]:
    """Install the centre on a Debian of its own; return what was found wrong with it, and its exposure."""
    found, unit, port = list[str](), "gengfu-collector.service", free_port()

    def must(what: str, holds: bool) -> None:
        print(f"{'ok' if holds else 'NOT'}: the centre: {what}", flush=True)
        if not holds:
            found.append(f"the centre: {what}")

    archive = folder / "centre.release"
    tree = tree_of(work, "collector")
    said = release_tree.archived(
        tree, archive, "gengfu-collector", release_tree.version(), Target.here(), preset=0
    )
    package = build_deb.package(archive, "collector", said, Target.here(), folder)
    root = folder / "centre"
    copied(base, root)
    before = standing(root)
    with Booted(tools, root) as machine:
        shutil.copy(package, root / "var/tmp/package.deb")
        machine.run("dpkg", "-i", "/var/tmp/package.deb")
        (root / "var/tmp/package.deb").unlink()
        settings = root / "etc/gengfu/collector.toml"
        text = settings.read_text().replace("# port = 1883", f"port = {broker.port}", 1)
        settings.write_text(text.replace("# port = 8780", f"port = {port}", 1))
        machine.run("systemctl", "enable", "--now", unit, timeout_s=600)

        def well() -> bool:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
            return False

        must("restricted, it is well", machine.wait("well", well, PATIENCE_S))
        exposure = limits_hold(machine, unit, must, 2.0)
        must("it was never started again", machine.shown(unit, "NRestarts") == "0")
        machine.run("dpkg", "--purge", "gengfu-collector")
        must("a purge stops it", machine.shown(unit, "LoadState") == "not-found")
    ours = [each for each in difference(before, standing(root)) if "gengfu" in each]
    must(f"nothing of it is left, not {ours}", ours == [])
    return found, exposure


def removed(site: Site) -> None:
    """Purged while it runs: stopped, and nothing is left."""
    shutil.rmtree(site.root / f"etc/systemd/system/{UNIT}.d")
    site.machine.run("dpkg", "--purge", "gengfu-edge")
    site.must("the service is gone", site.machine.shown(UNIT, "LoadState") == "not-found")
    site.machine.cut()
    ours = [each for each in difference(site.before, standing(site.root)) if "gengfu" in each]
    site.must(f"nothing of it is left, not {ours}", ours == [])
    users = inside(site.root, "getent", "passwd", "gengfu", check=False)
    site.must("its user is gone", users.returncode == 2)


def main() -> None:
    """Play it all on one site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="Without the releases that take minutes to be left."
    )
    parser.add_argument(
        "--work", type=Path, help="Keep a Debian and a release's tree there, and take those there."
    )
    given = parser.parse_args()
    began_s = time.monotonic()
    conditions: dict[str, object] = {"short": given.short, "watchdog_s": WATCHDOG_S}
    figures: dict[str, object] = {}
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="gengfu-updates-") as name, ExitStack() as stack:
        folder = Path(name)
        work = given.work or folder / "work"
        work.mkdir(exist_ok=True)
        try:
            demand_root()
            tools = Tools(work / "tools")
            base = work / "base"
            if not base.exists():
                tools.debian(work / ".base", suite())
                (work / ".base").rename(base)
            tools.nspawn()
            site = Site(tools, base, made(work, folder), folder, stack)
        except CannotError as error:
            conditions["skipped"] = str(error)
            print(f"not done: {error}")
        else:
            slow = ["never_ready", "polls_nothing", "reaches_nobody"]
            stories: list[Callable[[Site], None]] = [restricted, watched, refused, good]
            site.install()
            for story in stories:
                story(site)
            left(site, [each for each in BROKEN if not given.short or each not in slow])
            if not given.short:
                unreached(site)
            cut(site)
            removed(site)
            found = site.found
            if not given.short:
                of_centre, exposure = centre(tools, base, work, folder, site.broker)
                found += of_centre
                site.figures["centre_exposure_running"] = exposure
            figures |= site.figures | {"updates_found": len(found)}
    conditions["seconds"] = round(time.monotonic() - began_s)
    conditions["found"] = found
    print(json.dumps({"name": "updates", "figures": figures, "conditions": conditions}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
