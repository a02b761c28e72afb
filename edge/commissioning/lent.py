"""The port of a line that is being polled: every question is a loan of its own, and polling goes on between.

Half of the line's time at most is used so, and whoever waits for the line waits for one question. A question
is given time enough for slow devices: an answer that came later would fall on the gateway's own talk.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from edge.lines.formats import Format
from edge.lines.port import Port
from edge.lines.serial_port import SerialLine

POLITE_S = 0.25
"""So long a first byte is awaited at least."""
LISTEN_S_MAX = 0.1
LOAN_S_MAX = 30.0
"""So long a loan may wait for the line before it is given up."""


Lent = TypeVar("Lent")


class LentPort:
    """See edge.lines.port.AskedPort; for a thread beside the loop that the line belongs to."""

    def __init__(self, line: SerialLine, loop: asyncio.AbstractEventLoop, entry: Format) -> None:
        """``entry`` is the line's own format."""
        self._line, self._loop, self._format = line, loop, entry

    def reformat(self, entry: Format) -> None:
        """See AskedPort: for the questions that follow."""
        self._format = entry

    def ask(
        self, data: bytes, patience_s: float, is_whole: Callable[[bytes], bool]
    ) -> tuple[bytes, float | None]:
        """See AskedPort."""
        return self._lent(lambda port: port.ask(data, max(patience_s, POLITE_S), is_whole))

    def listen(self, duration_s: float) -> bytes:
        """See AskedPort; not for long, since the line's own talk would be missing meanwhile."""
        return self._lent(lambda port: port.listen(min(duration_s, LISTEN_S_MAX)))

    def drop(self) -> None:
        """Nothing: what comes between loans is the line's own."""

    def _lent(self, use: Callable[[Port], Lent]) -> Lent:
        def used(port: Port) -> tuple[Lent, float]:
            began_s = time.monotonic()
            port.reformat(self._format)
            return use(port), time.monotonic() - began_s

        loan = asyncio.run_coroutine_threadsafe(self._line.lend(used), self._loop)
        result, took_s = loan.result(LOAN_S_MAX)
        time.sleep(took_s)  # as long as it was kept it is left alone
        return result
