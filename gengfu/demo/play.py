"""The demo from start to verdict."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from gengfu.demo.block import Block
from gengfu.demo.story import Story, View
from gengfu.demo.telling import Picture, text, told, verdict
from gengfu.language import Language

LOOK_INTERVAL_S = 0.5
OUTAGE_AT_S = 33.0
STORY_ENDS_S = 75.0
"""Without a terminal and without --for: by then the story is over."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    folder: Path
    for_s: float | None
    live: bool
    seed: int
    weaken: str
    language: Language
    quiet: bool = False
    """Tell the story on standard error, so that standard output is one line of JSON."""


async def play(options: Options) -> tuple[bool, dict[str, int]]:
    """Run the demo; return whether all was as it should be, and the figures.

    DemoError or BrokerError say what could not be started. Every process is ended, whatever happens.
    """
    console = Console(stderr=options.quiet, highlight=False, soft_wrap=not options.live)
    stop = _stop_on_signals()
    block, story = Block(options.folder, seed=options.seed, weaken=options.weaken), Story()
    outage: asyncio.Task[None] | None = None
    try:
        console.print(text("title", options.language))
        await block.start()
        with _shown(options, console) as show:
            while not stop.is_set() and block.at_s < _end_s(options):
                if outage is None and block.at_s >= OUTAGE_AT_S:
                    outage = asyncio.create_task(block.outage())
                if outage and outage.done():
                    outage.result()
                block.check()
                view = await block.view()
                show(view, story)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_INTERVAL_S):
                        await stop.wait()
        console.print(text("counting", options.language))
        if outage:
            await outage
        figures = await block.finish()
    finally:
        await block.close()
    outcome = _outcome(options, story, figures)
    console.print(verdict(figures, story.missing, options.language, outcome))
    return outcome != "bad", figures


def _outcome(options: Options, story: Story, figures: dict[str, int]) -> str:
    """Return good, bad, or early: somebody who watched has seen enough, and nothing was lost till then."""
    if figures["lost"] or figures["duplicated"] or figures["cases_duplicated"]:
        return "bad"
    if story.complete:
        return "good"
    return "early" if options.live else "bad"


def _end_s(options: Options) -> float:
    if options.for_s is not None:
        return options.for_s
    return float("inf") if options.live else STORY_ENDS_S


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@contextmanager
def _shown(options: Options, console: Console) -> "Iterator[_Show]":
    if not options.live:
        yield _Lines(options.language, console)
        return
    with Live(console=console, refresh_per_second=4, screen=True) as live:
        yield _Drawn(options.language, live)


class _Show:
    """Takes views, tells what is new."""

    def __call__(self, view: View, story: Story) -> None:
        raise NotImplementedError


class _Lines(_Show):
    def __init__(self, language: Language, console: Console) -> None:
        self._language, self._console = language, console

    def __call__(self, view: View, story: Story) -> None:
        for step in story.look(view):
            self._console.print(told(step, view.at_s, self._language))


class _Drawn(_Show):
    def __init__(self, language: Language, live: Live) -> None:
        self._picture, self._live = Picture(language), live

    def __call__(self, view: View, story: Story) -> None:
        story.look(view)
        self._live.update(self._picture.draw(view, story))
