"""The ``gengfu`` command with a centre that leaves things out: ``--without kick``, ``once+time``.

The controls of ``tests.faults.enrolment``: what each is there for must then go wrong.
"""

import sys
from collections.abc import Callable
from typing import Any

from collector import mqtt
from collector.enrolment import codes, desk
from collector.enrolment.codes import Judged
from gengfu.main import run

WITHOUT = "--without"


def _no_kick() -> None:
    async def nothing(*_: Any) -> None:
        """Leave the session alone."""

    mqtt.take_over = nothing  # type: ignore[assignment]


def _no_once() -> None:
    judged = codes.judged

    def always(*given: Any) -> Judged:
        worth = judged(*given)
        return Judged.GOOD if worth is Judged.USED else worth

    codes.judged = always  # type: ignore[assignment]


def _no_time() -> None:
    desk.EnrolmentDesk._untimely = lambda *_: None  # type: ignore[method-assign]


CHECKS: dict[str, Callable[[], None]] = {"kick": _no_kick, "once": _no_once, "time": _no_time}

if __name__ == "__main__":
    place = sys.argv.index(WITHOUT)
    for name in sys.argv[place + 1].split("+"):
        CHECKS[name]()
    del sys.argv[place : place + 2]
    run()
