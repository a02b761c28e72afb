"""What benchmarks that take minutes tell meanwhile."""

import sys

Figures = dict[str, float | None]
"""Figures by name; None where what was waited for did not happen."""


def progress(what: str) -> None:
    """Say on standard error what is being measured now; tables and the JSON stand on standard output."""
    print(f"-- {what}", file=sys.stderr, flush=True)
