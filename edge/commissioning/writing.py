"""What was found, written into a gateway's settings: checked before, put in place whole or not at all.

Nothing that stands in the file is changed, comments neither. A device that is certain or likely is added;
one that the bytes do not tell becomes a comment with its candidates, for a person to choose.
"""

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit

from edge import checks
from edge.commissioning.finds import FoundDevice
from edge.commissioning.judging import Identified, Verdict
from owned_files import as_owner
from toml_files import Problem, TomlFile, TomlFileError

INTERVAL_S_DEFAULT = 5.0
QUICK_TIMEOUT_S, ANSWERS_PER_TIMEOUT = 0.5, 5
"""A device's timeout is left at the default unless it needs more than this part of it."""


class CannotWriteError(Exception):
    """The file stays as it is; the text says why, and what to do."""


@dataclass(frozen=True)
class Placed:
    """A device that was found, on which port, and what it is."""

    port: str
    device: FoundDevice
    identified: Identified


class Place(NamedTuple):
    """Where a device is, and what it was taken for; both names are empty where a person has to say."""

    line: str
    unit_id: int
    name: str = ""
    profile: str = ""


@dataclass(frozen=True)
class Change:
    """The file as it is and as it would be, and what was left out."""

    before: str
    after: str
    added: list[Place]
    left: list[Place]
    """What needs a person."""


def changed(text: str, placed: Iterable[Placed]) -> Change:
    """Return the settings with the devices in them; CannotWriteError. Pure."""
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotWriteError(f"it is not valid TOML: {error}; mend it first") from error
    lines, devices = _tables(before, "lines"), _tables(before, "devices")
    new_lines: list[dict[str, Any]] = []
    new_devices: list[tuple[dict[str, Any], str]] = []
    comments: list[list[str]] = []
    left: list[Place] = []
    for each in placed:
        line = _line_of(lines + new_lines, each)
        if line is None:
            line = _new_line(lines + new_lines, each)
            new_lines.append(line)
        unit = each.device.unit_id
        if any(other.get("line") == line["name"] and other.get("unit_id", 1) == unit for other in devices):
            continue
        entry = _new_device(devices, line["name"], each)
        if entry is None:
            left.append(Place(line["name"], unit))
            comments.append(list(_as_comment(line["name"], each)))
            continue
        devices.append(entry)
        new_devices.append((entry, _why(each.identified)))
    after = _rendered(text, new_lines, new_devices, comments)
    wanted = dict(before)
    if new_lines:
        wanted["lines"] = [*before.get("lines", []), *new_lines]
    if new_devices:
        wanted["devices"] = [*before.get("devices", []), *(entry for entry, _ in new_devices)]
    if _loaded(after) != wanted:
        raise CannotWriteError(
            "its tables are laid out in a way that cannot be added to; add the devices by hand"
        )
    added = [
        Place(entry["line"], entry["unit_id"], entry["name"], entry["profile"]) for entry, _ in new_devices
    ]
    return Change(text, after, added, left)


def _tables(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    told = data.get(key, [])
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise CannotWriteError(f"its {key} are no tables [[{key}]]; mend that first")
    return list(told)


def _loaded(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def checked(path: Path, text: str) -> list[Problem]:
    """Return what `gengfu edge check` would say of this text in the place of the file."""
    try:
        checks.judged(TomlFile(text, str(path)), path)
    except TomlFileError as error:
        return list(error.problems)
    return []


def put_in_place(path: Path, change: Change) -> None:
    """Replace the file, at once and on disk; CannotWriteError where somebody has changed it meanwhile."""
    with as_owner(path.parent):  # whose link it may be
        path = path.resolve()
        with as_owner(path.parent):
            _put_in_place(path, change)


def _put_in_place(path: Path, change: Change) -> None:
    if path.read_text(encoding="utf-8") != change.before:
        raise CannotWriteError(f"{path} was changed meanwhile; run the command again")
    status = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(change.after)
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _line_of(lines: Sequence[Mapping[str, Any]], placed: Placed) -> Mapping[str, Any] | None:
    """Return the line of this port; CannotWriteError where it has another format."""
    wanted = placed.device
    for line in lines:
        if line.get("kind") != "serial" or os.path.realpath(line.get("port", "")) != os.path.realpath(
            placed.port
        ):
            continue
        runs = (
            line.get("baud"),
            line.get("parity", "N"),
            line.get("transmission_mode", "rtu"),
        )
        if runs != (wanted.baud, wanted.parity, wanted.transmission_mode):
            raise CannotWriteError(
                f"unit {wanted.unit_id} on {placed.port} answers at {wanted.format} "
                f"({wanted.transmission_mode}), and line {line.get('name')!r} runs at {runs[0]} {runs[1]} "
                f"({runs[2]}); one line has one format: set the device to the line's, or leave it out"
            )
        return line
    return None


def _new_line(lines: Sequence[Mapping[str, Any]], placed: Placed) -> dict[str, Any]:
    device = placed.device
    entry: dict[str, Any] = {
        "kind": "serial",
        "name": _free("rs485", {str(line.get("name")) for line in lines}),
        "port": placed.port,
        "baud": device.baud,
    }
    if device.parity != "N":
        entry["parity"] = device.parity
    if device.stop_bits != 1:
        entry["stop_bits"] = device.stop_bits
    if device.data_bits != 8:
        entry["data_bits"] = device.data_bits
    if device.transmission_mode != "rtu":
        entry["transmission_mode"] = device.transmission_mode
    return entry


def _new_device(devices: Sequence[Mapping[str, Any]], line: str, placed: Placed) -> dict[str, Any] | None:
    """Return the entry of a device that is certain or likely; None where a person has to choose."""
    told = placed.identified
    if told.verdict not in (Verdict.CERTAIN, Verdict.LIKELY):
        return None
    best = told.candidates[0]
    stem = re.sub(r"[^a-z0-9]+", "-", best.profile.lower()).strip("-")
    entry: dict[str, Any] = {
        "name": _free(stem, {str(device.get("name")) for device in devices}),
        "line": line,
        "unit_id": placed.device.unit_id,
        "profile": best.profile,
    }
    if best.shims:
        entry["shims"] = list(best.shims)
    needed_s = placed.device.answer_s * ANSWERS_PER_TIMEOUT
    if needed_s > QUICK_TIMEOUT_S:
        entry["timeout_s"] = round(needed_s, 1)
    return entry


def _free(stem: str, taken: set[str]) -> str:
    numbers = range(1, len(taken) + 2)
    return next(name for number in numbers if (name := f"{stem}-{number}") not in taken)


def _why(told: Identified) -> str:
    said = f"{told.vendor} {told.product} {told.revision}".strip()
    return f"{told.verdict}: it says it is {said}" if said else f"{told.verdict}, by its registers"


def _as_comment(line: str, placed: Placed) -> Iterator[str]:
    """Yield the entry as comments, one for each profile that it may have."""
    told = placed.identified
    unit = placed.device.unit_id
    if not told.candidates:
        yield f"unit {unit} on {line} answers, and no profile fits it; with one of your own:"
    else:
        yield f"unit {unit} on {line}: the bytes do not tell what it is; take the right profile:"
    names = [each.profile for each in told.candidates] or ["..."]
    yield "[[devices]]"
    yield f'name = "unit-{unit}"'
    yield f'line = "{line}"'
    yield f"unit_id = {unit}"
    yield f'profile = "{names[0]}"' + (f"  # or {', '.join(dict.fromkeys(names[1:]))}" if names[1:] else "")


def _rendered(
    text: str,
    lines: Sequence[dict[str, Any]],
    devices: Sequence[tuple[dict[str, Any], str]],
    comments: Sequence[list[str]],
) -> str:
    """Return the text with the entries behind those of their kind."""
    for entry in lines:
        text = _behind(text, "lines", _block("lines", entry, ""))
    for device, why in devices:
        text = _behind(text, "devices", _block("devices", device, why))
    fresh = [rows for rows in comments if f"# {rows[0]}\n" not in text]  # the others were told before
    if fresh:
        blocks = ("".join(f"# {row}\n" for row in rows) for rows in fresh)
        text = _behind(text, "devices", "\n".join(blocks))
    return text


def _block(key: str, entry: dict[str, Any], why: str) -> str:
    """Return an entry as TOML, with the reason for it as a comment."""
    table = tomlkit.table()
    if why:
        table.add(tomlkit.comment(why))
    for name, value in entry.items():
        table.add(name, value)
    array = tomlkit.aot()
    array.append(table)
    document = tomlkit.document()
    document.append(key, array)
    return tomlkit.dumps(document)


def _behind(text: str, key: str, block: str) -> str:
    """Insert a block behind the last table of an array, before the comments of what follows."""
    rows = text.splitlines(keepends=True)
    header = re.compile(rf"^\s*\[\[?\s*{key}\s*[].]")
    own = [index for index, row in enumerate(rows) if header.match(row)]
    if not own:
        return f"{text.rstrip()}\n\n{block}"
    ends = (index for index in range(own[-1] + 1, len(rows)) if re.match(r"^\s*\[", rows[index]))
    at = next(ends, len(rows))
    while at > own[-1] + 1 and not rows[at - 1].split("#")[0].strip():
        at -= 1
    while at < len(rows) and rows[at].strip():  # comments that stand directly below belong to it
        if re.match(r"^\s*\[", rows[at]):
            break
        at += 1
    head, tail = "".join(rows[:at]).rstrip("\n"), "".join(rows[at:]).lstrip("\n")
    return f"{head}\n\n{block}" + (f"\n{tail}" if tail else "")
