"""What both baselines are told on their command line, and what all processes of `bench.gateway` share."""

import argparse
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
LIFE_MAX_S = 600
REGISTERS = 20


@dataclass(frozen=True)
class Asked:
    """Ports of the devices and of the broker, how often to read, and where a file may be kept."""

    ports: list[int]
    broker: int
    interval_s: float
    folder: Path


def asked(description: str | None) -> Asked:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ports", type=int, nargs="+", required=True)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--interval-s", type=float, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    return Asked(given.ports, given.broker, given.interval_s, given.folder)
