"""The ``gengfu`` command, but settings on trial count as proved as soon as they run: a control."""

from typing import Any

from edge.configuration.trial import Trial, Verdict
from gengfu.main import run


def _at_once(*_: Any, **__: Any) -> tuple[Verdict, str]:
    return Verdict.PROVED, ""


if __name__ == "__main__":
    Trial.judge = _at_once  # type: ignore[method-assign]
    run()
