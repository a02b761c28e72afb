"""The demo from start to verdict."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from gengfu.demo.block import Block
from gengfu.demo.picture import Picture
from gengfu.demo.processes import DemoError
from gengfu.demo.story import Story, View
from gengfu.demo.telling import Outcome, text, told, verdict
from gengfu.language import Language

LOOK_INTERVAL_S = 0.5
PUSH_AT_S = 2.0
OUTAGE_AT_S = 33.0
STORY_ENDS_S = 90.0
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
    smtp: str = ""
    """Who takes the mails, as host:port."""
    quiet: bool = False
    """Tell the story on standard error, so that standard output is one line of JSON."""


async def play(options: Options) -> tuple[Outcome, dict[str, int]]:
    """Run the demo; return whether all was as it should be, and the figures.

    DemoError, BrokerError or OSError say what could not be started. Every process is ended, whatever happens.
    """
    console = Console(stderr=options.quiet, highlight=False, markup=False, soft_wrap=not options.live)
    stop = _stop_on_signals()
    block = Block(options.folder, seed=options.seed, weaken=options.weaken, smtp=options.smtp)
    story = Story()
    try:
        console.print(text("title", options.language))
        await _start(block, options.language, console, stop)
        tasks = await _tell(block, story, options, console, stop)
        console.print(text("counting", options.language))
        for task in tasks:
            await task
        figures = await block.finish()
    finally:
        await block.close()
    outcome = judged(figures, story)
    console.print(verdict(figures, story.missing, options.language, outcome))
    for deviation in block.lighting.deviations:
        console.print(deviation)
    console.print(f"{text('files', options.language)}{options.folder}/")
    return outcome, figures


async def _start(block: Block, language: Language, console: Console, stop: asyncio.Event) -> None:
    """Start the block, saying what is being started; DemoError if it was told to end before it stood."""

    def starting(what: str) -> None:
        if stop.is_set():
            raise DemoError(text("stopped", language))
        console.print(f"{text('starting', language)}{text(what, language)} …")

    task = asyncio.create_task(block.start(starting))
    if not await _done_before(stop, task):
        console.print(text("stopping", language))
    await task
    if stop.is_set():
        raise DemoError(text("stopped", language))


async def _tell(
    block: Block, story: Story, options: Options, console: Console, stop: asyncio.Event
) -> "list[asyncio.Task[None]]":
    """Show the story until its end or until told to stop; return what was begun, which may not be over."""
    begun: list[asyncio.Task[None]] = []
    events = [(PUSH_AT_S, block.push_plan), (OUTAGE_AT_S, block.outage)]
    with _shown(options, console, block) as show:
        while not stop.is_set() and block.at_s < _end_s(options):
            if events and block.at_s >= events[0][0]:
                begun.append(asyncio.create_task(events.pop(0)[1]()))
            for task in begun:
                if task.done():
                    task.result()
            block.check()
            await _until(stop, _look(block, story, show))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await stop.wait()
    return begun


async def _look(block: Block, story: Story, show: "_Show") -> None:
    show(await block.view(), story)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work, but drop it at once when told to stop."""
    task = asyncio.ensure_future(work)
    if await _done_before(stop, task):
        task.result()
        return
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _done_before(stop: asyncio.Event, task: "asyncio.Future[None]") -> bool:
    """Wait for the task or the stop, whichever comes first; say whether it was the task."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((stopped, task), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return task.done()


def judged(figures: Mapping[str, int], story: Story) -> Outcome:
    """Return bad if anything was lost or doubled or a lamp strayed, else early if steps are missing."""
    if figures["lost"] or figures["duplicated"] or figures["cases_duplicated"] or figures["lamp_deviations"]:
        return "bad"
    return "good" if story.complete else "early"


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
def _shown(options: Options, console: Console, block: Block) -> "Iterator[_Show]":
    if not options.live:
        yield _Lines(options.language, console)
        return
    picture = Picture(options.language, block.titles)
    with Live(picture.draw(View(0.0), Story()), console=console, refresh_per_second=4, screen=True) as live:
        yield _Drawn(picture, live)


class _Show:
    """Takes views, tells what is new."""

    def __call__(self, view: View, story: Story) -> None:
        raise NotImplementedError


class _Lines(_Show):
    def __init__(self, language: Language, console: Console) -> None:
        self._language, self._console, self._table = language, console, ""

    def __call__(self, view: View, story: Story) -> None:
        if view.lamp_table != self._table:
            self._table = view.lamp_table
            self._console.print(self._table.rstrip())
        for step in story.look(view):
            self._console.print(told(step, view.at_s, self._language))


class _Drawn(_Show):
    def __init__(self, picture: Picture, live: Live) -> None:
        self._picture, self._live = picture, live

    def __call__(self, view: View, story: Story) -> None:
        story.look(view)
        self._live.update(self._picture.draw(view, story))
