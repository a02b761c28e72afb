"""The audit: what devices served, by their own ledger, held against what the centre's store gives back.

Both ends are counted independently; only the profile's codec, which says what registers mean, is shared.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.samples import Value
from device_profiles.codec import readings
from device_profiles.schema import Profile, Table

EXPLAINS_MS = 3_000
"""A failed read on record explains an answer that never reached the gateway, this close in time."""

SAME_MS = 3_000
"""Served and stored time of one answer differ by less, whatever else the machine has to do."""

Series = tuple[str, str]
"""(device, point)"""


@dataclass(frozen=True)
class Stored:
    """One row of the centre's store; value None is a failed read."""

    time_ms: int
    value: Value


@dataclass(frozen=True)
class Figures:
    """Counts over all series. ``failed_reads`` are answers that the store has as failed reads."""

    samples_taken: int
    samples_stored: int
    lost: int
    duplicated: int
    failed_reads: int

    def __add__(self, other: "Figures") -> "Figures":
        """Return the counts of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Figures(*(ours + theirs for ours, theirs in pairs))


def served(
    ledger: Path, profiles: Mapping[str, Profile], wanted: Iterable[Series]
) -> dict[Series, list[Stored]]:
    """Return what devices served of the wanted series, in order; ``profiles`` are by device."""
    points = set(wanted)
    found: dict[Series, list[Stored]] = {series: [] for series in points}
    with ledger.open() as lines:
        for line in lines:
            entry = json.loads(line)
            if entry.get("write") or entry.get("device") not in profiles:
                continue
            device, profile = entry["device"], profiles[entry["device"]]
            table: Table = entry["table"]
            registers = {
                (table, entry["address"] + index): int(raw) for index, raw in enumerate(entry["values"])
            }
            names = [point for name, point in points if name == device]
            for point, reading in readings(profile, registers, names).items():
                if reading.error != "not_read":
                    found[device, point].append(Stored(entry["time_ms"], reading.value))
    return found


def compare(
    served_rows: Mapping[Series, list[Stored]], stored_rows: Mapping[Series, list[Stored]]
) -> Figures:
    """Count what was served and is not stored, and what is stored more often than it was served."""
    taken = kept = lost = duplicated = failed = 0
    for series in served_rows.keys() | stored_rows.keys():
        given, held = served_rows.get(series, []), stored_rows.get(series, [])
        good = [row for row in held if row.value is not None]
        failures = [row.time_ms for row in held if row.value is None]
        taken += len(given)
        kept += len(good)
        missing, extra = _unmatched(given, good)
        duplicated += extra
        for at_ms in missing:
            near = [failed_ms for failed_ms in failures if abs(failed_ms - at_ms) <= EXPLAINS_MS]
            if near:
                failures.remove(near[0])
                failed += 1
            else:
                lost += 1
    return Figures(taken, kept, lost, duplicated, failed)


def _unmatched(given: Iterable[Stored], held: Iterable[Stored]) -> tuple[list[int], int]:
    """Return when answers were served that no row stands for, and how many rows stand for no answer.

    A row stands for one answer of its value and about its time, so that a double does not hide a loss of the
    same value at another time: most points hardly ever change.
    """
    times: dict[Value, tuple[list[int], list[int]]] = {}
    for end, rows in enumerate((given, held)):
        for row in rows:
            times.setdefault(row.value, ([], []))[end].append(row.time_ms)
    missing: list[int] = []
    extra = 0
    for served_ms, stored_ms in times.values():
        waiting = sorted(served_ms, reverse=True)
        for at_ms in sorted(stored_ms):
            while waiting and waiting[-1] < at_ms - SAME_MS:
                missing.append(waiting.pop())
            if waiting and waiting[-1] <= at_ms + SAME_MS:
                waiting.pop()
            else:
                extra += 1
        missing += waiting
    return sorted(missing, reverse=True), extra


def runs(ledger: Path, device: str, address: int) -> int:
    """Return how often an output went on, by what the device itself served when it was read."""
    count, before = 0, 0
    with ledger.open() as lines:
        for line in lines:
            entry = json.loads(line)
            inside = entry.get("device") == device and not entry.get("write") and entry.get("table") == "coil"
            if inside and entry["address"] <= address < entry["address"] + len(entry["values"]):
                now = int(entry["values"][address - entry["address"]])
                count += now > before
                before = now
    return count
