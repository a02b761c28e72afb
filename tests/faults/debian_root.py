"""A clean Debian in a folder, made by debootstrap of this machine's own archive, and what stands in it."""

import hashlib
import os
import platform
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

TOOLS = ("debootstrap", "systemd-container")
INCLUDED = ("python3", "systemd", "systemd-sysv", "dbus")
VARYING = (
    "dev", "proc", "run", "sys", "tmp",  # not on any disk
    "var/lib/dpkg", "var/log",  # the package manager's own memory and logs
    "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock",  # of useradd
    "var/cache/ldconfig",
)  # fmt: skip
"""What whoever installs anything changes; everything else is compared."""


class CannotError(Exception):
    """This machine cannot do it; the text says what is missing."""


def demand_root() -> None:
    """Raise CannotError where this is no Debian, or not its root."""
    if os.geteuid() != 0:
        raise CannotError("a Debian in a folder needs root (chroot, mounts)")
    for program in ("apt-get", "dpkg-deb", "chroot", "unshare"):
        if shutil.which(program) is None:
            raise CannotError(f"no {program} on this machine: it is no Debian or Ubuntu")


class Tools:
    """debootstrap and systemd-nspawn, unpacked beside this machine's own programs and installed nowhere."""

    def __init__(self, folder: Path) -> None:
        """Bring them into a folder, unless they are there."""
        self.root = folder
        if (folder / "usr/sbin/debootstrap").exists():
            return
        archives = folder / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        wanted = [name for name in TOOLS if name != "systemd-container" or shutil.which("systemctl")]
        _ran(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *wanted], cwd=archives)
        for package in archives.glob("*.deb"):
            _ran(["dpkg-deb", "-x", str(package), str(folder)])

    def nspawn(self) -> tuple[str, dict[str, str]]:
        """Return the program and the environment it needs; CannotError where it is not."""
        program = self.root / "usr/bin/systemd-nspawn"
        if not program.exists():
            raise CannotError("no systemd-nspawn: this machine's systemd is not Debian's")
        libraries = self.root / "usr/lib" / f"{platform.machine()}-linux-gnu"
        return str(program), os.environ | {"LD_LIBRARY_PATH": str(libraries)}

    def debian(self, target: Path, suite: str) -> None:
        """Make a minimal Debian of this machine's archive in a new folder."""
        [mirror, *_] = _ran(["apt-get", "indextargets", "--format", "$(SITE)"]).splitlines()
        cache = self.root / "cache"
        cache.mkdir(exist_ok=True)
        options = ["--variant=minbase", f"--cache-dir={cache}", f"--include={','.join(INCLUDED)}"]
        scripts = os.environ | {"DEBOOTSTRAP_DIR": str(self.root / "usr/share/debootstrap")}
        # What it mounts is its own: ended in the middle, it leaves nothing that a removal would enter.
        alone = ["unshare", "--mount", "--propagation", "private"]
        command = [*alone, str(self.root / "usr/sbin/debootstrap"), *options, suite, str(target), mirror]
        _ran(command, environment=scripts)


def copied(base: Path, target: Path) -> None:
    """Copy a root with owners, modes and links."""
    _ran(["cp", "-a", "--reflink=auto", str(base), str(target)])


def inside(root: Path, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a command in a root, with mounts and processes of its own."""
    mounts = 'mount -t proc proc "$0/proc"; mount --bind /dev/null "$0/dev/null"; exec chroot "$0" "$@"'
    script = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        mounts,
        str(root),
        *command,
    ]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"
    }  # fmt: skip
    done = subprocess.run(
        script,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done


def standing(root: Path, without: Iterable[str] = VARYING) -> dict[str, str]:
    """Return what stands in a root: kind, mode, owner and content by path; folders of ``without`` are not."""
    skipped = frozenset(without)
    return dict(sorted(_standing(root, Path(), skipped)))


def _standing(root: Path, inner: Path, skipped: frozenset[str]) -> Iterator[tuple[str, str]]:
    for entry in os.scandir(root / inner):
        path = inner / entry.name
        if str(path) in skipped:
            continue
        status = entry.stat(follow_symlinks=False)
        owner = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
        if entry.is_symlink():
            yield str(path), f"{owner} -> {(root / path).readlink()}"
        elif entry.is_dir(follow_symlinks=False):
            yield str(path), owner
            yield from _standing(root, path, skipped)
        elif entry.is_file(follow_symlinks=False):
            yield str(path), f"{owner} {hashlib.sha256((root / path).read_bytes()).hexdigest()}"
        else:
            yield str(path), owner


def difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what came, went or changed, by path: ``+ etc/gengfu``."""
    told = [f"+ {path}" for path in after.keys() - before.keys()]
    told += [f"- {path}" for path in before.keys() - after.keys()]
    told += [f"~ {path}" for path in before.keys() & after.keys() if before[path] != after[path]]
    return sorted(told, key=lambda each: (each[2:], each))


def suite() -> str:
    """Return the code name of this machine's Debian; CannotError where it has none."""
    said = platform.freedesktop_os_release()
    if said.get("ID") != "debian" or not said.get("VERSION_CODENAME"):
        raise CannotError("this machine is no Debian of a release with a name")
    return said["VERSION_CODENAME"]


def _ran(command: list[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise CannotError(f"{' '.join(command[:4])}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout
