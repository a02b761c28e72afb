"""A release as a folder: the project's wheel, the locked wheels it needs, and the program that starts it."""

import io
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from packaging.utils import canonicalize_name

from releases.archive import MANIFEST, Manifest
from tools.locked import ROOT, lock_of
from tools.targets import Target

LAUNCHER = """#!/bin/sh
# Runs out of the release that this file stands in, whichever is in force later; writes nothing into it.
exec "$(dirname "$(readlink -f "$0")")/python3" -I -B -m gengfu.main "$@"
"""
VENV = "home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n"
EPOCH_S = int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600"))


class BuildError(Exception):
    """A package cannot be built; the text says why and what to do."""


def version() -> str:
    """Return the project's version."""
    found = re.search(r'^version = "([^"]+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def make(folder: Path, extra: str, target: Target, built: Path | None = None) -> None:
    """Fill a new folder: ``bin/gengfu``, ``lib/pythonX.Y/site-packages``, and what makes it a venv.

    Wheels in the folder ``built`` stand in for the index's, which has none of them for some machines; they
    must be of the locked versions.
    """
    packages = folder / "lib" / f"python{target.python}" / "site-packages"
    packages.mkdir(parents=True)
    lock = folder / "requirements.lock"
    wanted = lock_of(extra, target.markers)
    ours = _ours(built, wanted) if built else {}
    lock.write_text("\n".join(entry for name, entry in wanted.items() if name not in ours) + "\n")
    wheel = _wheel(folder / "wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
    into = [*target.pip_options, "--no-deps", "--target", str(packages)]
    _run([*pip, *into, "--require-hashes", "-r", str(lock)])
    _run([*pip, *into, "--no-index", *map(str, [wheel, *ours.values()])])
    shutil.rmtree(packages / "bin", ignore_errors=True)  # scripts that name this machine's Python
    shutil.rmtree(wheel.parent)
    (folder / "bin").mkdir()
    (folder / "bin" / "gengfu").write_text(LAUNCHER)
    (folder / "bin" / "gengfu").chmod(0o755)
    (folder / "pyvenv.cfg").write_text(VENV.format(python=target.python))


def _ours(folder: Path, wanted: dict[str, str]) -> dict[str, Path]:
    """Return the wheels of a folder that are of locked versions, by package."""
    found = {}
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        known = canonicalize_name(name)
        if known in wanted and wanted[known].split()[0].partition("==")[2] != version:
            raise BuildError(f"{wheel}: the locked version is {wanted[known].split()[0]}; build that one")
        found[known] = wheel
    return {name: wheel for name, wheel in found.items() if name in wanted}


def compiled(folder: Path, target: Target) -> bool:
    """Compile what a service may not write beside its modules; False where that Python is not here.

    What its digest decides, not its time, is taken as it is: the same release is the same bytes.
    """
    python = shutil.which(f"python{target.python}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        return False
    quietly = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/gengfu"]
    _run([python, "-I", "-m", "compileall", *quietly, str(folder / "lib")])
    return True


def renamed(folder: Path, to: str) -> None:
    """Let a release say that it is of another version; for tests of updates."""
    [info] = folder.glob("lib/*/site-packages/gengfu-*.dist-info")
    metadata = info / "METADATA"
    metadata.write_text(
        re.sub(r"^Version: .*$", f"Version: {to}", metadata.read_text(), count=1, flags=re.MULTILINE)
    )
    info.rename(info.with_name(f"gengfu-{to}.dist-info"))


def archived(
    folder: Path, archive: Path, product: str, of_version: str, target: Target, preset: int = 6
) -> Manifest:
    """Write the release's archive: sorted, without times and names of this machine; ``preset`` is xz's."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    said = Manifest(product, of_version, target.python, target.multiarch, size)
    with (
        lzma.open(archive, "wb", preset=preset) as out,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add(tar, MANIFEST, said.written())
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or name == MANIFEST:
                continue
            if path.is_dir():
                member = tarfile.TarInfo(name)
                member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, EPOCH_S
                tar.addfile(member)
            else:
                _add(tar, name, path.read_bytes(), executable=os.access(path, os.X_OK))
    return said


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, executable: bool = False) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(data), EPOCH_S
    member.mode = 0o755 if executable else 0o644
    tar.addfile(member, io.BytesIO(data))


def _wheel(folder: Path) -> Path:
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)])
    [wheel] = folder.glob("*.whl")
    return wheel


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:6])} ...: {(done.stderr or done.stdout).strip()[-2000:]}")
