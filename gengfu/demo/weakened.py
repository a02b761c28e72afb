"""A gateway that deletes on the broker's PUBACK, as many do: the demo's negative control, not for service."""

import argparse
import json
import logging
from pathlib import Path

from edge.run import serve


def main() -> None:
    """Run it until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    logging.basicConfig(level=logging.WARNING)
    serve(
        parser.parse_args().settings,
        delete_on_puback=True,
        ready=lambda: print(json.dumps({"ready": True}), flush=True),  # noqa: T201 - read by the demo
    )


if __name__ == "__main__":
    main()
