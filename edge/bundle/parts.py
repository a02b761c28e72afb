"""What is in a support bundle: each part a function that reads one thing, and may fail alone."""

import hashlib
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography import x509

import owned_files
from contract.desired import DesiredKind
from device_profiles.schema import Profile
from edge import checks, kernel_time, line_report, link_report
from edge.buffer import looking
from edge.configuration import choosing
from edge.desired.shelf import Shelf
from edge.identity import folder as identity_folder
from edge.identity import trust
from edge.identity.errors import IdentityError
from edge.identity.folder import IdentityFolder
from edge.lines.ports import by_path, lowered_latency_ms, serial_ports
from edge.local import client
from edge.local.words import Page, Refused, State, Watch
from edge.settings import Support
from owned_files import ApartError, as_owner
from toml_files import TomlFileError

UNIT = "gengfu-edge"
CURRENT = Path("/opt/gengfu/current")
"""Leads to the release in force, where a package has laid one down."""
FILE_BYTES_MAX = 4 * 1024 * 1024
KNOWN_FILES = re.compile(r"buffer\.db(-wal|-shm|-journal)?|ballast|lock|[a-z_-]+\.json|gateway\.sock")
"""Names that are ours; of all others only how many there are is told."""
KNOWN_FILES_MAX = 100
NOW_S_MAX = 20.0
"""So long a gateway may take to say how it is now, whatever it says meanwhile."""
_TTY = re.compile(r"tty|usb|ftdi|ch34|cp210|pl2303|serial|uart", re.IGNORECASE)


class PartError(Exception):
    """A part cannot be read; the text says why."""


class Part(NamedTuple):
    """A file of the bundle: its name, and what makes its text or plain data; OSError, PartError."""

    name: str
    read: Callable[[], str | object]


def parts(
    path: Path, raw: Mapping[str, Any], limits: Support, environment: Mapping[str, str]
) -> Iterator[Part]:
    """Yield the parts of a gateway; ``raw`` is its file of settings as far as it is TOML."""
    state = path.parent / str(raw.get("state_folder", "state"))
    yield Part("settings.toml", lambda: _settings(path))
    yield Part("check.json", lambda: _check(path))
    for name in (line_report.FILE_NAME, link_report.FILE_NAME):
        yield Part(name, lambda name=name: _report(state, name))  # type: ignore[misc]
    yield Part("rules.json", lambda: msgspec.to_builtins(client.asked(state, State())))
    yield Part("now.json", lambda: _now(state))
    yield Part("profiles.json", lambda: _profiles(path))
    yield Part("desired.json", lambda: _desired(state))
    yield Part("identity.json", lambda: certificate(state))
    yield Part("buffer.json", lambda: _buffer(state))
    yield Part("versions.json", _versions)
    yield Part("machine.json", lambda: _machine(state))
    yield Part("ports.json", lambda: _ports(raw))
    yield Part("journal.txt", lambda: _journal(limits, environment))
    yield Part("kernel.txt", lambda: _kernel(limits, environment))


def _settings(path: Path) -> str:
    content = owned_files.read(path, FILE_BYTES_MAX, follow=True)[:FILE_BYTES_MAX]
    return content.decode("utf-8-sig", errors="replace")


def _report(state: Path, name: str) -> object:
    with as_owner(state):
        return msgspec.json.decode(owned_files.read(state / name, FILE_BYTES_MAX))


def _check(path: Path) -> object:
    try:
        settings, profiles = checks.load(path)
    except TomlFileError as error:
        return {"good": False, "problems": [vars(problem) for problem in error.problems]}
    return {"good": True, "notes": list(checks.notes(settings, profiles))}


def _now(state: Path) -> object:
    for news in client.streamed(state, Watch(), whole_s=NOW_S_MAX):
        if isinstance(news, Page):
            return msgspec.to_builtins(news)
        if isinstance(news, Refused):
            raise PartError(news.text)
    raise PartError("the gateway ended before it answered")


def _profiles(path: Path) -> object:
    settings, profiles = checks.load(path)
    return [
        {
            "device": device.name,
            "profile": device.profile,
            "firmware": device.firmware,
            "shims": device.shims,
            "digest": profile_digest(profiles[device.name]),
        }
        for device in settings.devices
    ]


def profile_digest(profile: Profile) -> str:
    """Return what tells one state of a profile, its shims applied, from another."""
    return hashlib.blake2b(profile.model_dump_json().encode(), digest_size=16).hexdigest()


def desired_held(state: Path) -> dict[str, list[dict[str, object]]]:
    """Return which documents are held, by kind: names and digests, nothing of what they say."""
    shelf = Shelf(state / choosing.FOLDER)
    told: dict[str, list[dict[str, object]]] = {}
    for kind in DesiredKind:
        with as_owner(state):
            held = shelf.peek(kind)
        told[str(kind)] = [
            {"stands": stands, "sequence": it.desired.sequence, "digest": it.digest}
            for stands, it in (("current", held.current), ("former", held.former), ("waiting", held.waiting))
            if it is not None
        ]
    return told


def certificate(state: Path) -> dict[str, object] | None:
    """Return what the gateway's certificate and its chain say, no key; None: not enrolled; PartError."""
    path = IdentityFolder(state / identity_folder.NAME).certificate
    try:
        with as_owner(state):
            if not path.exists():
                return None
            files = IdentityFolder(state / identity_folder.NAME)
            found, *chain = x509.load_pem_x509_certificates(identity_folder.read(path))
            if files.ca.exists():
                known = x509.load_pem_x509_certificates(identity_folder.read(files.ca))
                chain += [each for each in known if each not in chain]
    except (IdentityError, ValueError) as error:
        raise PartError(f"{path}: {error}") from error
    return {
        "subject": found.subject.rfc4514_string(),
        "issuer": found.issuer.rfc4514_string(),
        "serial": f"{found.serial_number:x}",
        **_times(found),
        "chain": [{"subject": trust.shown(each), **_times(each)} for each in chain],
    }


def _times(certificate: x509.Certificate) -> dict[str, object]:
    told = trust.validity(certificate)
    return {"from_ms": told.not_before_ms, "until_ms": told.not_after_ms}


def _desired(state: Path) -> object:
    next(state.iterdir(), None)  # a folder that cannot be read is told, and is no gateway without documents
    return desired_held(state)


def _buffer(state: Path) -> object:
    known: dict[str, int] = {}
    others = 0
    for entry in os.scandir(state):
        if KNOWN_FILES.fullmatch(entry.name) and len(known) < KNOWN_FILES_MAX:
            known[entry.name] = entry.stat(follow_symlinks=False).st_size
        else:
            others += 1
    told: dict[str, object] = {"files": known, "other_files": others}
    try:
        told["lanes"] = looking.lanes(state / "buffer.db")
    except (ApartError, OSError, msgspec.MsgspecError) as error:
        told["lanes_missing"] = str(error)
    return told


def versions() -> dict[str, object]:
    """Return what runs here."""
    packages = sorted({f"{it.name} {it.version}" for it in distributions() if it.name}, key=str.lower)
    return {"python": sys.version, "sqlite": sqlite3.sqlite_version, "packages": packages}


def _versions() -> object:
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    told = versions() | {
        "kernel": " ".join(os.uname()[2:5]),
        "system": {key: release[key] for key in ("ID", "VERSION_ID", "PRETTY_NAME") if key in release},
    }
    return told | {"release": CURRENT.resolve().name if CURRENT.is_symlink() else None}


def _machine(state: Path) -> object:
    disks = {}
    for name, folder in (("state", state), ("root", Path("/"))):
        usage = shutil.disk_usage(folder)
        inodes = os.statvfs(folder)
        disks[name] = {**usage._asdict(), "inodes_free": inodes.f_favail, "inodes": inodes.f_files}
    memory = Path("/proc/meminfo").read_text().splitlines()
    return {
        "disks": disks,
        "memory": dict(row.split(":", 1) for row in memory[:6]),
        "load": os.getloadavg(),
        "uptime_s": float(Path("/proc/uptime").read_text().split()[0]),
        "clock": {
            "wall_ms": time.time_ns() // 1_000_000,
            "kernel_synchronised": kernel_time.synchronised(),
            "zone": time.tzname,
        },
    }


def _ports(raw: Mapping[str, Any]) -> object:
    declared = _declared(raw)
    named = dict.fromkeys([*serial_ports(), *declared])
    return [
        {
            "port": port,
            "leads_to": os.path.realpath(port),
            "by_path": str(place) if (place := by_path(port)) else None,
            "there": Path(port).exists(),
            "readable": os.access(port, os.R_OK | os.W_OK),
            "in_settings": port in declared,
            "latency_ms": lowered_latency_ms(port),
        }
        for port in named
    ]


def _declared(raw: Mapping[str, Any]) -> list[str]:
    """Return the ports that settings name which nobody has checked; what can be none is left out."""
    lines = raw.get("lines")
    ports = (
        [line.get("port") for line in lines if isinstance(line, Mapping)] if isinstance(lines, list) else []
    )
    return [port for port in ports if isinstance(port, str) and port and "\0" not in port]


def _journal(limits: Support, environment: Mapping[str, str]) -> str:
    count = str(limits.journal_lines_max)
    return _said(
        ["journalctl", "-u", UNIT, "-n", count, "--no-pager", "-o", "short-iso", "-q"], limits, environment
    )


def _kernel(limits: Support, environment: Mapping[str, str]) -> str:
    rows = [row for row in _said(["dmesg"], limits, environment).splitlines() if _TTY.search(row)]
    return "\n".join(rows[-limits.kernel_lines_max :])


def _said(command: list[str], limits: Support, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=limits.command_timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**environment, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise PartError(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise PartError(f"{command[0]} took more than {limits.command_timeout_s:g} s") from error
    if done.returncode:
        raise PartError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout.decode(errors="replace")


def limits_of(raw: Mapping[str, Any]) -> Support:
    """Return the bounds that the settings give, or the defaults where they are none."""
    try:
        return Support.model_validate(raw.get("support", {}))
    except ValueError:
        return Support()
