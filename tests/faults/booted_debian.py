"""A Debian in a folder, booted: its systemd starts, watches and restricts services as on a real machine.

By systemd-nspawn, which shares this machine's loopback network; nothing of this machine's systemd is needed.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.debian_root import CannotError, Tools

BOOT_S_MAX = 120.0
LOOK_S = 0.25


class Booted:
    """A context in which the root is booted; ``cut`` takes its power away."""

    def __init__(self, tools: Tools, root: Path, binds: dict[Path, str] | None = None) -> None:
        """``binds`` are files of this machine and where they stand in there."""
        self.root, self._tools, self._binds = root, tools, binds or {}
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Boot, and wait until services are started; CannotError where this machine cannot."""
        program, environment = self._tools.nspawn()
        # systemd of this age knows the older control groups, where a machine still mounts these
        is_old = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        environment |= {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0" if is_old else "1"}
        options = ["--register=no", "--keep-unit", "--console=read-only", "-b"]
        options += [f"--bind={outside}:{inside}" for outside, inside in self._binds.items()]
        with (self.root.parent / f"{self.root.name}.console").open("ab") as console:
            self._nspawn = subprocess.Popen(
                [program, "-D", str(self.root), *options],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        until_s = time.monotonic() + BOOT_S_MAX
        while time.monotonic() < until_s and self._nspawn.poll() is None:
            children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
            if leaders := children.read_text().split():
                self._leader = int(leaders[0])
                told = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if told in ("running", "degraded"):
                    return
            time.sleep(LOOK_S)
        self.cut()
        raise CannotError("systemd does not boot in a container here; its console is beside the root")

    def entering(self, *command: str) -> list[str]:
        """Return how a command is run in there, from here."""
        spaces = ["--mount", "--uts", "--ipc", "--pid", "--root", "--wd"]
        return ["nsenter", "--target", str(self._leader), *spaces, *command]

    def run(
        self, *command: str, check: bool = True, timeout_s: float = 400
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in there, as its root."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        done = subprocess.run(
            self.entering(*command),
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done

    def shown(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()

    def process(self, unit: str) -> int:
        """Return a unit's main process, as its systemd numbers it; 0 if it has none."""
        return int(self.shown(unit, "MainPID") or 0)

    def wait(self, what: str, holds: "object", limit_s: float) -> bool:
        """Wait until something callable holds; False where it does not within the limit."""
        assert callable(holds), what
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            if holds():
                return True
            time.sleep(LOOK_S)
        return False

    def cut(self) -> None:
        """Take its power away: every process in there is killed at once."""
        if self._nspawn is None:
            return
        if self._leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._nspawn, self._leader = None, 0

    def __enter__(self) -> "Booted":
        """Boot."""
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut its power."""
        self.cut()
