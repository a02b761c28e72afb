"""``gengfu edge watch``: the gateway live at a terminal, through its local socket."""

import contextlib
import io
import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group

from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings, streamed
from gengfu.language import language, said
from gengfu.options import fail
from gengfu.refusal_words import refusal
from gengfu.terminal import print_json

if TYPE_CHECKING:
    from edge.local.words import Page

SETTINGS_LOOK_S = 30.0
ROWS_MIN = 3
ALL = 1000


def watch(
    settings: Settings = DEFAULT_SETTINGS,
    line: Annotated[str, typer.Option("--line", metavar="NAME", help="Only this line.")] = "",
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="Only this device, with all its values.")
    ] = "",
    interval_s: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.2, max=60, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch a running gateway: lines, devices with their newest values, link, clock, what is held or locked.

    Devices come worst first. Keys: n and p page, q leaves. Where the output is no terminal, or a dumb one, it
    is printed once. It asks the gateway for what it knows already: no device is asked more for it.
    """
    look = _Look(settings, line, device)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(look.page(0, ALL)))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    if once or not console.is_terminal or console.is_dumb_terminal:
        from gengfu import watch_view

        page, chosen = look.page(0, ALL), language(os.environ)
        for part in watch_view.parts(page, look.settings(), chosen, skip=0):
            console.print(part, soft_wrap=isinstance(part, str))
        return
    why = io.StringIO()  # what is said while the screen is ours would go with it
    try:
        with contextlib.suppress(KeyboardInterrupt), contextlib.redirect_stderr(why):
            _live(look, console, interval_s)
    finally:
        typer.echo(why.getvalue(), nl=False, err=True)


def add_to(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(short_help="Watch lines, devices, values, link live.")(watch)


class _Look:
    """Asks the gateway, and looks now and then which settings hold."""

    def __init__(self, path: Path, line: str, device: str) -> None:
        self._path, self._line, self._device = path, line, device
        self._settings: list[str] = []
        self._looked_s: float | None = None

    def page(self, skip: int, count: int) -> "Page":
        """Return a page; where there is none, say why and exit 1."""
        from edge.local.words import Page, Refused, Watch

        for news in streamed(self._path, Watch(self._line, self._device, skip, count)):
            if isinstance(news, Page):
                return news
            if isinstance(news, Refused):
                fail(refusal(news.text, language(os.environ)))
        return fail(said("the gateway ended before it answered", "网关在应答前已结束"))

    def settings(self) -> list[str]:
        """Return which settings are in force, in words."""
        from edge.configuration.looking import look
        from gengfu.commands.edge_configuration import sentences
        from toml_files import TomlFileError

        if self._looked_s is None or time.monotonic() - self._looked_s > SETTINGS_LOOK_S:
            try:
                self._settings = list(sentences(look(self._path), self._path.name, language(os.environ)))
            except (OSError, TomlFileError) as error:
                self._settings = [str(error).splitlines()[0]]
            self._looked_s = time.monotonic()
        return self._settings


def _live(look: _Look, console: Console, interval_s: float) -> None:
    """Draw until somebody leaves; the screen is as it was then."""
    from rich.live import Live

    from gengfu import watch_view

    skip, chosen = 0, language(os.environ)
    with (
        _keys() as keys,
        Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live,
    ):
        while True:
            head = list(watch_view.head(look.page(0, 0), look.settings(), chosen))
            rows = sum(1 + len(each) // console.width for each in head)
            count = max(ROWS_MIN, console.height - rows - 4)
            page = look.page(skip, count)
            if not page.devices and skip:
                skip = 0
                continue
            parts = [*watch_view.parts(page, look.settings(), chosen, skip=skip), watch_view.keys(chosen)]
            live.update(Group(*parts), refresh=True)
            match keys.pressed(interval_s):
                case "q" | "\x03" | "\x04":
                    return
                case "n" | " ":
                    skip = skip + count if skip + count < page.devices_count else skip
                case "p":
                    skip = max(0, skip - count)


class _Keys:
    """Keys without Return, where somebody sits at a terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def pressed(self, wait_s: float) -> str:
        """Return the key that was pressed meanwhile, or nothing."""
        if self._descriptor is None:
            time.sleep(wait_s)
            return ""
        ready, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not ready:
            return ""
        data = os.read(self._descriptor, 1)
        return data.decode(errors="replace") if data else "q"  # the terminal has gone


@contextlib.contextmanager
def _keys() -> Iterator[_Keys]:
    import termios
    import tty

    if not sys.stdin.isatty():
        yield _Keys(None)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
