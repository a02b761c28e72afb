"""What is done apart is the owner's for good, and comes to an end."""

import os
import signal
import threading
from pathlib import Path

import pytest

from owned_files import ApartError, apart
from tests.owned_files.strangers import STRANGER, folder, needs_root, site

place = pytest.fixture(site, name="place")


def told(work: object, timeout_s: float = 20.0, bytes_max: int = 100) -> str:
    """Return why something done apart failed."""
    with pytest.raises(ApartError) as error:
        apart(Path("/"), work, timeout_s=timeout_s, bytes_max=bytes_max)  # type: ignore[arg-type]
    return str(error.value)


def test_what_it_returns_comes_back_and_nothing_else_of_it_stays() -> None:
    """It is a child: what it changes is its own."""
    seen: list[int] = []

    def work() -> bytes:
        seen.append(os.getpid())
        return b"done"

    assert apart(Path("/"), work, timeout_s=20, bytes_max=4) == b"done"
    assert seen == []


@needs_root
def test_it_is_the_owner_and_cannot_be_root_again(place: Path) -> None:
    """Not the effective user alone."""

    def work() -> bytes:
        with pytest.raises(PermissionError):
            os.setuid(0)
        return f"{os.getresuid()} {os.getresgid()} {os.getgroups()}".encode()

    who = apart(folder(place / "state"), work, timeout_s=20, bytes_max=200).decode()
    assert who == f"{(STRANGER,) * 3} {(STRANGER,) * 3} [{STRANGER}]"
    assert os.geteuid() == 0


def test_what_fails_takes_too_long_or_says_too_much_is_told() -> None:
    """Whatever it hangs on; and what is killed."""

    def fails() -> bytes:
        raise ValueError("because")

    assert told(fails) == "because"
    assert told(lambda: b"x" * 101) == "it takes more than 100 bytes"
    assert told(threading.Event().wait, timeout_s=0.2) == "it took more than 0.2 s"
    assert told(lambda: os.kill(os.getpid(), signal.SIGTERM)) == f"it was ended by signal {signal.SIGTERM:d}"
    assert told(lambda: bytes(1 << 40)) == "MemoryError"
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # nobody is left
