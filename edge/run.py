"""The process of the real gateway: one life after another, signals, and who is told how it is doing."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from edge import state_folder
from edge.configuration import choosing
from edge.configuration.choosing import Chosen, Ended
from edge.life import live
from edge.progress import Standing
from edge.wiring import Parts

_log = logging.getLogger(__name__)

Watch = Callable[[Standing], Coroutine[Any, Any, None]]
"""Runs beside the gateway, and may ask how it is doing."""


async def nobody_watches(_standing: Standing) -> None:
    """Do nothing."""


def _nothing() -> None:
    """Nobody wants to know, or knows already."""


@dataclass(frozen=True)
class _Supervision:
    """Who is told when the process is at work, watches each life of the gateway, and is told of its end."""

    ready: Callable[[], None]
    watch: Watch
    stopping: Callable[[], None]


def serve(
    settings_file: Path,
    *,
    delete_on_puback: bool = False,
    ready: Callable[[], None],
    watch: Watch = nobody_watches,
    stopping: Callable[[], None] = _nothing,
) -> None:
    """Run a gateway until SIGTERM or SIGINT; TomlFileError and BufferUnusableError say why it cannot.

    ``ready`` is called once lines, buffer and uplink are at work, ``stopping`` when that ends, and ``watch``
    runs between. ``delete_on_puback`` is for showing what is lost that way, never for service.
    """
    lock = state_folder.Lock()
    supervision = _Supervision(ready, watch, stopping)
    try:
        chosen = choosing.choose(settings_file, own=lock.take)
        while True:
            before: list[Ended] = []
            try:
                end = _lived(chosen, settings_file, supervision, delete_on_puback=delete_on_puback)
                if end.how is _End.STOPPED:
                    return
                before += end.unkept
            except _TrialFellError as fell:
                ended = choosing.given_up(settings_file, chosen, str(fell))
                if ended is None:
                    raise  # it is no trial any more: fall, and be started again
                before.append(ended)
            chosen = choosing.choose(settings_file, before, own=lock.take)
            supervision = replace(supervision, ready=_nothing)
    finally:
        lock.release()


class _End(Enum):
    """Why a life of the gateway has ended."""

    STOPPED = auto()
    ANEW = auto()  # other settings are to be put in force, or have failed


class _TrialFellError(Exception):
    """A gateway that ran with settings on trial has fallen."""


def _lived(
    chosen: Chosen, settings_file: Path, supervision: _Supervision, *, delete_on_puback: bool
) -> "_Ending":
    """Run with these settings; where a trial of them falls, it has failed."""
    settings = chosen.loaded.settings
    state = settings_file.parent / settings.state_folder
    _log.info(
        "gateway %s of %s; settings: %s; lines: %d, devices: %d, alarms: %d, controls: %d, lamps: %d; "
        "broker %s:%d; state in %s",
        settings.gateway,
        settings.district,
        chosen.origin(settings_file),
        len(settings.lines),
        len(settings.devices),
        len(settings.alarms),
        len(settings.controls),
        len(settings.lamps),
        settings.broker.host,
        settings.broker.port,
        state,
    )
    ending = _Ending(supervision)
    try:
        parts = Parts(chosen, settings_file, ending.anew, delete_on_puback=delete_on_puback)
        asyncio.run(live(parts, ending))
    except Exception as error:
        if not chosen.on_trial:
            raise
        _log.exception("the settings on trial let the gateway fall")
        raise _TrialFellError(f"the gateway fell: {type(error).__name__}: {error}") from error
    return ending


class _Ending:
    """Lets the gateway end, for good or to begin anew; a signal has the last word. Tells its supervision."""

    def __init__(self, supervision: _Supervision) -> None:
        self._supervision, self._signalled = supervision, False
        self._stop = _nothing
        self.how = _End.STOPPED
        self.unkept: list[Ended] = []
        """What became of a trial, and is not on disk."""
        self._watching: asyncio.Task[None] | None = None

    def heed(self, stop: Callable[[], None]) -> None:
        """Stop it by a signal, too."""
        self._stop = stop
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signal)

    def at_work(self, standing: Standing) -> None:
        """It is watched until it is over."""
        self._watching = asyncio.create_task(self._supervision.watch(standing))
        self._supervision.ready()
        gc.collect()
        gc.freeze()  # what stands now stays: collecting garbage need not look through it each time

    def stopping(self) -> None:
        """Tell of the end where it is the process's."""
        if self.how is _End.STOPPED:
            self._supervision.stopping()

    def over(self) -> None:
        """Nothing of it runs any more."""
        gc.unfreeze()
        if self._watching is not None:
            self._watching.cancel()

    def anew(self, unkept: Ended | None) -> None:
        """Let it end and begin with other settings."""
        self.unkept += [unkept] if unkept is not None else []
        if not self._signalled:
            self.how = _End.ANEW
        self._stop()

    def _signal(self) -> None:
        self._signalled, self.how = True, _End.STOPPED
        self._stop()
