"""A cabinet on this machine: its lines as ptys and TCP ports, its ledger and its truth file."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.bus import Exchange
from simulators.cabinet import TICK_S, Cabinet
from simulators.cabinet_file import Plan, SerialLine, TcpLineSettings
from simulators.errors import SimulatorError
from simulators.ledger import Ledger, write_truth
from simulators.pty_line import PtyLine
from simulators.tcp_line import HOST, TcpLine
from simulators.wire import SimulatedWire

TRUTH_INTERVAL_S = 0.5
STOP_TIMEOUT_S = 5.0


class RunningCabinet:
    """A context: its lines serve from entering to leaving, in threads.

    ``lines`` tells where: {name: {"kind": "serial", "path", "baud"} or {"kind": "tcp", "host", "port"}}.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        *,
        now_ms: Callable[[], int],
        seed: int = 0,
        ledger: Path | None = None,
        truth: Path | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Prepare; links to serial ports are made in ``folder``, which is made if need be.

        ``now_ms`` gives UTC for ``ledger`` and ``truth``, whose folders must exist (or be ``folder``).
        ``on_failure`` is told, from its thread, of an error that ended a line. SimulatorError where
        something is in the way, here or on entering.
        """
        self.plan = plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SimulatorError(
                f"{folder}: cannot make this folder: {error.strerror}; choose another"
            ) from error
        self.ledger = Ledger(ledger) if ledger else None
        self._folder = folder
        self._now_ms = now_ms
        self._seed = seed
        self._truth = truth
        self._on_failure = on_failure
        self._ending = threading.Event()
        self._started: list[PtyLine | TcpLine] = []
        self._ticker = threading.Thread(target=self._tick, name="cabinet ticker", daemon=True)
        self.lines: dict[str, dict[str, str | int]] = {}
        self.cabinet: Cabinet

    def __enter__(self) -> Self:
        """Start all lines; the story begins."""
        self.cabinet = Cabinet(self.plan, seed=self._seed, start_ns=time.monotonic_ns())
        try:
            if self._truth:
                write_truth(self._truth, self._now_ms(), self.cabinet.truth(0))
            for settings in self.plan.file.lines:
                self._start(settings)
        except BaseException:
            self.stop()
            raise
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all lines, remove links, complete the ledger."""
        self.stop()

    def stop(self) -> None:
        """End all threads; may be called again."""
        self._ending.set()
        for line in self._started:
            line.stop()
        self._started.clear()
        if self._ticker.is_alive():
            self._ticker.join(STOP_TIMEOUT_S)
        if self.ledger:
            self.ledger.close()

    def _start(self, settings: SerialLine | TcpLineSettings) -> None:
        bus = self.cabinet.buses[settings.name]

        def served(exchange: Exchange, name: str = settings.name) -> None:
            if self.ledger:
                for record in exchange.records:
                    self.ledger.write(self._now_ms(), name, record)

        if isinstance(settings, SerialLine):
            wire = SimulatedWire(
                bus,
                settings.baud,
                settings.parity,
                settings.stop_bits,
                strict=settings.strict,
                mode=settings.transmission_mode,
            )
            pty = PtyLine(wire, self._folder / settings.link, on_served=served, on_failure=self._on_failure)
            pty.start()
            self._started.append(pty)
            told: dict[str, str | int] = {"kind": "serial", "path": str(pty.path), "baud": settings.baud}
        else:
            tcp = TcpLine(bus, settings.port, on_served=served, on_failure=self._on_failure)
            tcp.start()
            self._started.append(tcp)
            told = {"kind": "tcp", "host": HOST, "port": tcp.port}
        self.lines[settings.name] = told

    def _tick(self) -> None:
        truth_at_s = 0.0
        try:
            while True:
                now_ns = time.monotonic_ns()
                self.cabinet.advance(now_ns)
                if self._truth and now_ns / 1e9 >= truth_at_s:
                    truth_at_s = now_ns / 1e9 + TRUTH_INTERVAL_S
                    write_truth(self._truth, self._now_ms(), self.cabinet.truth(now_ns))
                if self._ending.wait(TICK_S):
                    return
        except Exception as error:
            if not self._on_failure:
                raise
            self._on_failure(error)
