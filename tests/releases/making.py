"""Small releases, as archives."""

import io
import json
import sys
import sysconfig
import tarfile
from pathlib import Path

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
MULTIARCH = str(sysconfig.get_config_var("MULTIARCH"))


def member(name: str, data: bytes = b"", **given: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a file of an archive; keywords are fields of its entry."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in given.items():
        setattr(info, field, value)
    return info, data


def said(version: str, /, **given: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return what a release says of itself, with some of it said otherwise."""
    plain = {
        "schema": 1,
        "product": "gengfu-edge",
        "version": version,
        "python": PYTHON,
        "multiarch": MULTIARCH,
        "unpacked_bytes": 10_000,
    }
    return member("release.json", json.dumps(plain | given).encode())


def written(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write an archive of these members."""
    with tarfile.open(path, "w:xz", preset=0) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def release(path: Path, version: str, text: str = "") -> Path:
    """Write a release with a few files of its version."""
    folders = [member(name, type=tarfile.DIRTYPE) for name in ("bin", "lib", "lib/room")]
    files = [member(f"lib/room/{number}.py", f"{version} {number} {text}".encode()) for number in range(3)]
    return written(path, said(version), *folders, member("bin/gengfu", b"#!/bin/sh\n", mode=0o755), *files)


def content(folder: Path) -> dict[str, bytes]:
    """Return what stands in a release's folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
