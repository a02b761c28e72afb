"""``python -m tools.wheels``: which of the gateway's locked packages have wheels for its machines.

Asks the package index that pip uses here, for each locked package that is compiled, each machine and each
Python. With --write the table goes into docs/how-to/install.md. The last line printed is JSON.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.locked import ROOT, lock_of
from tools.targets import SYSTEMS, Target

PAGE = ROOT / "docs/how-to/install.md"
BEGIN, END = "<!-- wheels: written by python -m tools.wheels --write -->", "<!-- /wheels -->"
TARGETS = [
    Target(python, architecture) for architecture in ("arm64", "armhf") for python in ("3.11", "3.12", "3.13")
]


def compiled(names: list[str]) -> list[str]:
    """Return those whose wheel holds machine code; the others are for every machine."""
    return [name for name in names if "Root-Is-Purelib: false" in (_wheel(name) or "")]


def _wheel(name: str) -> str | None:
    return metadata.distribution(name).read_text("WHEEL")


def has_wheel(entry: str, target: Target) -> bool:
    """Say whether the index has a wheel of exactly this locked version for a target, by pip's own choice."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "one.lock"
        lock.write_text(entry + "\n")
        # A dry run with what may be on this machine left aside: only the index counts.
        command = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--dry-run",
        ]
        command += [
            "--no-deps",
            "--require-hashes",
            "--ignore-installed",
            "--target",
            folder,
            *target.pip_options,
        ]
        done = subprocess.run([*command, "-r", str(lock)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return True
    if "No matching distribution" in done.stderr or "from versions:" in done.stderr:
        return False
    asked = entry.split(maxsplit=1)[0]
    raise SystemExit(f"the index could not be asked for {asked}: {done.stderr.strip()[-600:]}")


def table(found: dict[str, dict[Target, bool]], pure: int) -> str:
    """Return the table as Markdown."""
    heads = " | ".join(f"{target.architecture} {target.python}" for target in TARGETS)
    lines = [f"| package | {heads} |", "|---|" + "---|" * len(TARGETS)]
    for name, row in found.items():
        version = metadata.version(name)
        lines.append(
            f"| {name} {version} | " + " | ".join("yes" if row[each] else "**no**" for each in TARGETS) + " |"
        )
    lines.append(f"| the other {pure} | " + " | ".join("any" for _ in TARGETS) + " |")
    return "\n".join(lines)


def main() -> None:
    """Ask, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"Into {PAGE.relative_to(ROOT)}.")
    given = parser.parse_args()
    entries = lock_of("edge", TARGETS[0].markers)
    names = compiled(list(entries))
    found = {name: {target: has_wheel(entries[name], target) for target in TARGETS} for name in names}
    shown = Table("package", *(f"{target.architecture} {target.python}" for target in TARGETS))
    for name, row in found.items():
        shown.add_row(name, *("yes" if row[each] else "no" for each in TARGETS))
    Console().print(shown)
    if given.write:
        text = PAGE.read_text()
        fresh = f"{BEGIN}\n{table(found, len(entries) - len(names))}\n{END}"
        PAGE.write_text(
            re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: fresh, text, flags=re.DOTALL)
        )
    missing = {
        f"{target.architecture} {SYSTEMS[target.python]}": [name for name in found if not found[name][target]]
        for target in TARGETS
    }
    figures = {f"missing {target}": len(names) for target, names in missing.items()}
    conditions = {"missing": missing, "asked": len(names), "locked": len(entries)}
    print(json.dumps({"name": "wheels", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
