"""Asking ``systemd-analyze``, which needs no running systemd."""

import re
import shutil
import subprocess
from pathlib import Path

ANALYZE = shutil.which("systemd-analyze")


def _asked(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    assert ANALYZE is not None
    command = [ANALYZE, "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def exposure(unit: Path) -> float:
    """Return how exposed systemd finds a unit file: 0 to 10, of all its findings."""
    done = _asked("security", "--offline=true", unit)
    [told] = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    return float(told)


def complaints(unit: Path, folder: Path) -> list[str]:
    """Return what systemd does not understand in a unit file; programs that are not here are no matter."""
    copy = folder / "verified" / unit.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(re.sub(r"^(Exec\w+=[-+]*)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE))
    done = _asked("verify", "--recursive-errors=no", "--man=no", copy)
    return [line for line in done.stderr.splitlines() if unit.name in line]


def allowed_syscalls(filters: list[str]) -> set[str]:
    """Return what SystemCallFilter= lines allow together: the first allows, those with ~ take away."""
    sets = _sets()
    allowed: set[str] = set()
    for line in filters:
        for name in line.removeprefix("~").split():
            named = _expanded(name, sets)
            allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed | _expanded("@default", sets)


def _expanded(name: str, sets: dict[str, list[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return {call for member in sets[name] for call in _expanded(member, sets)}


def _sets() -> dict[str, list[str]]:
    done = _asked("syscall-filter")
    sets: dict[str, list[str]] = {}
    current: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            current = sets.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            current.append(line.strip())
    return sets
