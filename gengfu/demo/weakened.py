"""Gateways with a weakness that others have: the demo's negative controls, not for service.

``puback``: it deletes on the broker's PUBACK. ``lamps``: it switches lamps and does not dim them.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from edge.lamps import program
from edge.run import serve
from lighting import commands
from lighting.commands import Command
from lighting.documents import Override
from lighting.timeline import Gate, Step

WEAKNESSES = ("puback", "lamps")


def undimmed(
    step: Step, opened: Mapping[Gate, bool | None], overrides: Sequence[Override], lamp: str, now_ms: int
) -> Command:
    """Return the command that a lamp is under, at full light wherever it is to burn."""
    its = commands.command(step, opened, overrides, lamp, now_ms)
    return its._replace(level=100) if its.level else its


def main() -> None:
    """Run it until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weaken", choices=WEAKNESSES, default="puback")
    parser.add_argument("--settings", type=Path, required=True)
    logging.basicConfig(level=logging.WARNING)
    given = parser.parse_args()
    with patch.object(program, "command", undimmed) if given.weaken == "lamps" else nullcontext():
        serve(
            given.settings,
            delete_on_puback=given.weaken == "puback",
            ready=lambda: print(json.dumps({"ready": True}), flush=True),  # noqa: T201 - read by the demo
        )


if __name__ == "__main__":
    main()
