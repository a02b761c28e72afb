"""Commissioning on simulated cabinets: ``python -m bench.scan``.

Scan: 20 devices of 6 profiles on four lines (bench/commissioning/cabinet.py), on real ptys whose far side
hears as a UART of its own setting hears: 19200 8N1, 9600 8E1, ASCII at 38400, and a line as it comes out of
boxes, with devices of 9600 8N1, 4800 8N1 and 115200 8O1 on one pair of wires. Four answer to identification,
three are silent to everything but their own registers. The lines are scanned side by side, as the command
does it. ``of_minimum`` is the time that all took against the least that their questions need: their bytes,
the answers', the devices' turnaround, and the time-outs of those that nobody answered; ``last_found_s`` is
when the last device was found.

Identify: every device that was found is asked over the same ptys. right: the true profile stands first,
certain or likely. ambiguous: the true profile is among the candidates, and the verdict says that the bytes do
not tell. wrong: another profile is certain or likely. Then maps that no profile was written for, and changed
maps of known devices (bench/commissioning/strangers.py), over no wire: how many are called certain, which
must be none, and likely.

Doctor: every fault that the simulators can play (bench/commissioning/ailments.py), on models of the wire: how
often the true cause is first, and among the first two. Its weights were written with these faults in sight,
so this says that the table is consistent, not what it is worth in the street. Control: the same with every
symptom speaking alike for every cause.
"""

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from unittest import mock

from bench.commissioning.ailments import ailments
from bench.commissioning.cabinet import CABINET, VALUES, Seated, running
from bench.commissioning.fingerprints import taken
from bench.commissioning.strangers import mutated, random_map
from device_profiles import catalogue
from edge.commissioning import causes
from edge.commissioning.candidates import candidates
from edge.commissioning.causes import Cause, diagnosed
from edge.commissioning.finds import FoundDevice
from edge.commissioning.judging import Identified, Verdict, judged
from edge.commissioning.scanning import Scan, scan_port
from edge.commissioning.sweep import Sweep
from edge.commissioning.symptoms import symptoms
from edge.lines.port import SerialSettings
from gengfu.commands.edge_identify import on_port

PROFILES = catalogue.load_all()
KNOWN = candidates(PROFILES)
SEEDS = (1, 2, 3, 4, 5)


def told(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def scan(ports: dict[str, str]) -> dict[str, Scan]:
    """Scan all lines side by side."""

    def one(line: str) -> Scan:
        result = scan_port(
            SerialSettings(ports[line], 9600), Sweep(PROFILES.values()), lambda _progress: None
        )
        told(f"{line}: {len(result.devices)} found in {result.took_s:.0f} s")
        return result

    with ThreadPoolExecutor(len(ports)) as pool:
        return dict(zip(ports, pool.map(one, ports), strict=True))


def seat(line: str, device: FoundDevice) -> Seated | None:
    """Return who that is in truth; None for somebody who is not there."""
    key = (line, device.unit_id, device.baud, device.parity, device.transmission_mode)
    return next(
        (
            each
            for each in CABINET
            if (each.line, each.unit_id, each.format.baud, each.format.parity, each.mode) == key
        ),
        None,
    )


def verdict(truth: str, identified: Identified) -> str:
    """Return right, ambiguous or wrong."""
    names = [each.profile for each in identified.candidates]
    sure = identified.verdict in (Verdict.CERTAIN, Verdict.LIKELY)
    if sure:
        return "right" if names[0] == truth else "wrong"
    return "ambiguous" if truth in names else "unknown"


def identify(scans: dict[str, Scan]) -> dict[str, int]:
    """Ask everybody that was found, and count."""
    counts = dict.fromkeys(("right", "ambiguous", "unknown", "wrong", "certain", "first"), 0)
    for line, result in scans.items():
        for device, identified in zip(result.devices, asyncio.run(on_port(result, KNOWN)), strict=True):
            truth = seat(line, device)
            if truth is None or identified is None:
                counts["unknown"] += 1
                continue
            counts[verdict(truth.profile, identified)] += 1
            counts["certain"] += identified.verdict is Verdict.CERTAIN
            counts["first"] += (
                bool(identified.candidates) and identified.candidates[0].profile == truth.profile
            )
    return counts


def strangers(count: int) -> dict[str, int]:
    """Judge maps that nobody wrote a profile for."""
    counts = dict.fromkeys(("judged", "certain", "likely", "ambiguous", "unknown"), 0)
    for seed in range(count):
        random = Random(seed)
        name = random.choice(sorted(PROFILES))
        known = seed % 2
        device = mutated(random, PROFILES[name], VALUES.get(name, {}))[0] if known else random_map(random)
        counts["judged"] += 1
        counts[judged(taken(device, KNOWN), KNOWN).verdict.value] += 1
    return counts


def doctor() -> dict[str, int]:
    """Examine every simulated fault, with several seeds."""
    counts = dict.fromkeys(("faults", "examined", "first", "first_two", "blind_first_two"), 0)
    blind = {kind: dict.fromkeys(Cause, 1.0) for kind in causes.WEIGHTS}
    for each in ailments():
        counts["faults"] += 1
        for seed in SEEDS:
            shown = symptoms(each.examination(seed))
            ranked = [likely.cause for likely in diagnosed(shown).causes[:2]]
            counts["examined"] += 1
            counts["first"] += ranked[:1] == [each.cause]
            counts["first_two"] += each.cause in ranked
            with mock.patch.object(causes, "WEIGHTS", blind):
                blindly = [likely.cause for likely in diagnosed(shown).causes[:2]]
            counts["blind_first_two"] += each.cause in blindly
    return counts


def main() -> None:
    """Print the table and the JSON line; exit with 1 if a figure is not what it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strangers", type=int, default=2_000)
    given = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as ports:
        scans = scan(ports)
        scanned_s = time.monotonic() - began_s
        identified = identify(scans)
        identified_s = time.monotonic() - began_s - scanned_s
    found = [(line, device) for line, result in scans.items() for device in result.devices]
    true = [each for each in found if seat(*each) is not None]
    apart, doctored = strangers(given.strangers), doctor()
    figures = {
        "devices": len(CABINET),
        "profiles": len({each.profile for each in CABINET}),
        "found": len(true),
        "found_wrongly": len(found) - len(true),
        "scan_s": round(scanned_s, 1),
        "last_found_s": round(max(device.found_s for _, device in found), 1),
        "of_minimum": round(
            sum(each.took_s for each in scans.values()) / sum(each.minimum_s for each in scans.values()), 3
        ),
        "questions": sum(each.asked for each in scans.values()),
        "identify_s": round(identified_s, 1),
        **{f"identified_{name}": count for name, count in identified.items()},
        **{f"strangers_{name}": count for name, count in apart.items()},
        **{f"doctor_{name}": count for name, count in doctored.items()},
    }
    for line, result in scans.items():
        last_s = max((each.found_s for each in result.devices), default=0.0)
        print(
            f"{line:8} {len(result.devices)} found, the last after {last_s:.1f} s; {result.asked} questions "
            f"in {result.took_s:.1f} s, {result.of_minimum:.3f} of the minimum {result.minimum_s:.1f} s"
        )
    print(
        json.dumps({"name": "scan", "figures": figures, "conditions": {"python": platform.python_version()}})
    )
    good = (
        figures["found"] == len(CABINET)
        and not figures["found_wrongly"]
        and not identified["wrong"]
        and not apart["certain"]
        and doctored["first_two"] == doctored["examined"] > 2 * doctored["blind_first_two"]
    )
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
