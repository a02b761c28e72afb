"""The ``gengfu`` command with memory for few samples, so that a story of seconds overflows it.

Controls: with ``--stores-first`` it does not act while its disk refuses; with ``--forgets`` it does not put
back what a disk refused.
"""

import sys
from collections.abc import Sequence

from contract.samples import Measured, spread
from edge import recorder
from edge.clock import Moment
from edge.gateway import Gateway
from gengfu.main import run

PENDING_SAMPLES_MAX = 2_500
STORES_FIRST, FORGETS = "--stores-first", "--forgets"


def _store_then_act(self: Gateway, measured: Sequence[Measured], now: Moment) -> None:
    assert self._recorder
    self._recorder.samples(measured, now)
    if not self._recorder._refused:
        self._do(self.engine.observe(list(spread(measured)), now))


def _forget(self: recorder.Recorder, measured: list[Measured], count: int) -> None:
    pass


if __name__ == "__main__":
    recorder.PENDING_SAMPLES_MAX = PENDING_SAMPLES_MAX
    if STORES_FIRST in sys.argv:
        sys.argv.remove(STORES_FIRST)
        Gateway._observe = _store_then_act  # type: ignore[method-assign]
    if FORGETS in sys.argv:
        sys.argv.remove(FORGETS)
        recorder.Recorder._put_back = _forget  # type: ignore[method-assign]
    run()
