"""The real mbpoll: the machine's, or the one that ``make setup`` unpacked into ``.deps``."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".deps" / "root"
ANSWER_TIMEOUT_S = "5"
RUN_TIMEOUT_S = 30
_VALUE = re.compile(r"^\[(\d+)\]:\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """What it said: values as it spells them by address, all of its words, and its complaint."""

    values: dict[int, str]
    text: str
    complaint: str


def program() -> tuple[str, dict[str, str]]:
    """Return mbpoll and its environment; the test fails with what to do where there is none."""
    environment = dict(os.environ)
    if found := shutil.which("mbpoll"):
        return found, environment
    unpacked = UNPACKED / "usr/bin/mbpoll"
    if not unpacked.exists():
        pytest.fail("mbpoll is missing: run make setup, or install it (Debian: apt install mbpoll)")
    libraries = sorted({str(file.parent) for file in (UNPACKED / "usr/lib").rglob("*.so.*")})
    environment["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    return str(unpacked), environment


def mbpoll(where: Sequence[str], unit_id: int, *options: str, write: Sequence[str] = ()) -> Said:
    """Run it once, with addresses from 0; ``where`` is how to reach the line, its port or host last."""
    path, environment = program()
    *how, port = where
    command = [path, *how, "-1", "-0", "-o", ANSWER_TIMEOUT_S, "-a", str(unit_id), *options, port, *write]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    values = {int(address): value for address, value in _VALUE.findall(done.stdout)}
    return Said(values, done.stdout, done.stderr.strip())
