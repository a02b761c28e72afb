"""The archive that holds a release: checked before anything of it is used, bounded in every way.

A tar, compressed with xz, of plain files and folders only. The first is ``release.json``. Nothing in it may
point elsewhere: the one link of a release, to its Python, is made here.
"""

import hashlib
import json
import re
import shutil
import stat
import sys
import sysconfig
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from releases.versions import is_version

MANIFEST = "release.json"
MANIFEST_BYTES_MAX = 16 * 1024
ARCHIVE_BYTES_MAX = 256 * 1024 * 1024
FILES_MAX = 50_000
BYTES_MAX = 1024 * 1024 * 1024
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
SPARE_BYTES = 32 * 1024 * 1024
"""What unpacking leaves free on the disk."""


class ReleaseError(Exception):
    """A release cannot be used; the text says which, why and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a release says of itself."""

    product: str
    """gengfu-edge or gengfu-collector."""
    version: str
    python: str
    """Major and minor of the Python it is built for, as 3.11."""
    multiarch: str
    """The machine it is built for, as Debian names it: x86_64-linux-gnu."""
    unpacked_bytes: int
    """What its files take, unpacked."""

    def written(self) -> bytes:
        """Return it as it stands in the archive."""
        return json.dumps({"schema": 1, **asdict(self)}, indent=1).encode()


def digest(archive: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; ReleaseError where it cannot be read or is too large."""
    try:
        with archive.open("rb") as file:
            if archive.stat().st_size > ARCHIVE_BYTES_MAX:
                raise ReleaseError(f"{archive}: larger than {ARCHIVE_BYTES_MAX} bytes; that is no release")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReleaseError(f"{archive}: cannot be read: {(error.strerror or str(error)).lower()}") from error


def name_of(version: str, sha256: str) -> str:
    """Return the name of a release's folder: the same version built anew is another release."""
    return f"{version}-{sha256[:8]}"


def manifest(archive: Path) -> Manifest:
    """Return what an archive says of itself; ReleaseError where it is none."""
    try:
        with tarfile.open(archive, "r:xz") as tar:
            member = tar.next()
            if member is None or member.name != MANIFEST or not member.isreg():
                raise ReleaseError(f"{archive}: is no release: it does not begin with {MANIFEST}")
            return _parsed(tar, member, archive)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ReleaseError(f"{archive}: is no release, or only a part of one: {error}") from error


def unpack(archive: Path, folder: Path) -> Manifest:
    """Unpack into a folder that is made for it; ReleaseError where it may not be, or the disk has no room."""
    said = manifest(archive)
    if said.unpacked_bytes + SPARE_BYTES > shutil.disk_usage(folder.parent).free:
        need = (said.unpacked_bytes + SPARE_BYTES) // 1024**2
        raise ReleaseError(
            f"{folder.parent}: {need} MiB are needed for {archive.name}; make room and try again"
        )
    folder.mkdir(mode=0o755)
    try:
        with tarfile.open(archive, "r:xz") as tar:
            total = 0
            for count, member in enumerate(tar):
                total += member.size
                if count >= FILES_MAX or total > min(BYTES_MAX, said.unpacked_bytes + MANIFEST_BYTES_MAX):
                    raise ReleaseError(f"{archive}: holds more than it says; it is not unpacked")
                _write(tar, member, folder, archive)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ReleaseError(f"{archive}: is damaged: {error}") from error
    except OSError as error:
        raise ReleaseError(
            f"{folder}: {(error.strerror or str(error)).lower()}; mend that and try again"
        ) from error
    (folder / "bin" / "python3").symlink_to(f"/usr/bin/python{said.python}")
    return said


def unfit(said: Manifest) -> str:
    """Return why a release is not for the Python that runs this, or nothing."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    multiarch = sysconfig.get_config_var("MULTIARCH") or "an unknown machine"
    if (said.python, said.multiarch) == (python, multiarch):
        return ""
    return (
        f"{said.product} {said.version} is built for Python {said.python} on {said.multiarch}, here is "
        f"Python {python} on {multiarch}; take the one that is built for this system"
    )


def _parsed(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> Manifest:
    file = tar.extractfile(member)
    if file is None or member.size > MANIFEST_BYTES_MAX:
        raise ReleaseError(f"{archive}: is no release: its {MANIFEST} is none")
    data: Any = json.loads(file.read())
    known = {"product": str, "version": str, "python": str, "multiarch": str, "unpacked_bytes": int}
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise ReleaseError(
            f"{archive}: is of a form that is not known here; update from a nearer version first"
        )
    if any(type(data.get(name)) is not kind for name, kind in known.items()):
        raise ReleaseError(f"{archive}: is no release: its {MANIFEST} is none")
    said = Manifest(**{name: data[name] for name in known})
    if (
        not is_version(said.version)
        or not 0 <= said.unpacked_bytes <= BYTES_MAX
        or not _PYTHON.fullmatch(said.python)
    ):
        raise ReleaseError(f"{archive}: is no release: its {MANIFEST} is none")
    return said


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise ReleaseError(f"{archive}: {member.name[:200]!r} may not be in a release; it is not unpacked")
    target = folder / path
    if member.isdir():
        target.mkdir(mode=0o755, exist_ok=True)
        return
    file = tar.extractfile(member)
    if file is None:
        raise ReleaseError(f"{archive}: {member.name[:200]!r} cannot be read; it is not unpacked")
    with file, target.open("xb") as out:
        shutil.copyfileobj(file, out)
    target.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)
