"""A terminal of 80 columns and 24 rows, by tmux: what a person types, and what stands there afterwards."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.debian_root import CannotError

COLUMNS, ROWS = 80, 24
LOOK_S = 0.2
CLEAR_S_MAX = 300.0


class Terminal:
    """A context: a tmux server of its own with one session, ended when it is left."""

    def __init__(self, command: Sequence[str], prompt: str, folder: Path) -> None:
        """``command`` starts a shell that shows ``prompt``; CannotError where there is no tmux."""
        if shutil.which("tmux") is None:
            raise CannotError("no tmux on this machine; install it (Debian: apt install tmux)")
        self._command, self._prompt = list(command), prompt
        self._socket = folder / "tmux"

    def __enter__(self) -> "Terminal":
        """Start it, and wait for the prompt."""
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "person", *size, *self._command)
        try:
            self._until(CLEAR_S_MAX, alone=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the session; its shell hangs up."""
        self._tmux("kill-server", check=False)

    def typed(self, command: str, limit_s: float, answers: Sequence[tuple[str, str]] = ()) -> str:
        """Type a command on a clear screen; return all that is there when the prompt is back.

        ``answers`` are what it asks at the end of a line, and what is typed then, in this order.
        AssertionError where the prompt does not come back in time.
        """
        self._tmux("send-keys", "-t", "person", "-R")
        self._tmux("clear-history", "-t", "person")
        self._tmux("send-keys", "-t", "person", "Enter")
        self._until(CLEAR_S_MAX, alone=True)
        self._type(command)
        until_s = time.monotonic() + limit_s
        for question, answer in answers:
            while not self.screen().rstrip().endswith(question) and not self._is_back():
                self._look(until_s)
            if self._is_back():
                break
            self._type(answer)
        self._until(until_s - time.monotonic())
        return self.screen().strip().removesuffix(self._prompt.rstrip()).rstrip()

    def screen(self) -> str:
        """Return what is there and what has left it at the top; broken lines are whole again."""
        return self._tmux("capture-pane", "-p", "-J", "-t", "person", "-S", "-")

    def _type(self, text: str) -> None:
        self._tmux("send-keys", "-t", "person", "-l", text)
        self._tmux("send-keys", "-t", "person", "Enter")

    def _is_back(self) -> bool:
        """Say whether the last line is a prompt, and another than the one at which the command was typed."""
        rows = self.screen().strip().split("\n")
        return len(rows) > 1 and rows[-1].rstrip() == self._prompt.rstrip()

    def _until(self, limit_s: float, *, alone: bool = False) -> None:
        until_s = time.monotonic() + limit_s
        while not (self.screen().strip() == self._prompt.strip() if alone else self._is_back()):
            self._look(until_s)

    def _look(self, until_s: float) -> None:
        if time.monotonic() > until_s:
            raise AssertionError(f"the prompt does not come back:\n{self.screen()}")
        time.sleep(LOOK_S)

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self._socket), *words], capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise CannotError(f"tmux {words[0]}: {done.stderr.strip()}")
        return done.stdout
