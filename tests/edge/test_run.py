"""The real gateway process: what it says, whom it refuses, how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge import line_report, state_folder
from edge.buffer.errors import BufferUnusableError
from edge.configuration import note as notes
from edge.configuration.choosing import FOLDER, KIND, STARTS_MAX
from edge.configuration.note import Note
from edge.desired.held import Held
from edge.desired.shelf import Shelf
from edge.run import serve
from tests.edge.configuration.making import settings_document, text, written

SETTINGS = """
schema = 1
district = "north"
gateway = "gw-1"

[broker]
host = "127.0.0.1"
port = 9

[buffer]
stop_drain_s = 0

[[lines]]
kind = "serial"
name = "rs485-1"
port = "{port}"
baud = 9600

[[devices]]
name = "cover-1"
line = "rs485-1"
profile = "wt901c485"
interval_s = 0.1
"""


def started(settings: Path) -> "subprocess.Popen[str]":
    """Start the gateway."""
    return subprocess.Popen(
        [sys.executable, "-m", "gengfu.main", "edge", "run", "--settings", str(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_what_does_not_work_shares_its_folder_with_nobody_and_ends_when_told(tmp_path: Path) -> None:
    """Without a port and without a broker it runs all the same, and both are named."""
    settings = tmp_path / "edge.toml"
    settings.write_text(SETTINGS.format(port=tmp_path / "no-such-port"))
    first = started(settings)
    assert first.stdout is not None
    assert first.stderr is not None
    assert first.stdout.readline() == '{"ready": true}\n'
    told = ""
    while "rs485-1 does not work" not in told or "127.0.0.1:9" not in told:
        line = first.stderr.readline()
        assert line, told
        told += line
    second = started(settings)
    _, refusal = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"{tmp_path}/state is in use by another gateway; stop that one" in refusal
    assert "Traceback" not in refusal
    first.send_signal(signal.SIGTERM)
    rest = first.communicate(timeout=30)[1]
    assert first.returncode == 0
    assert "Traceback" not in told + rest
    assert told.count("rs485-1 does not work") == 1
    report = line_report.read(tmp_path / "state")
    assert report.stopped
    assert [device.state for device in report.lines[0].devices] == ["no_line"]


def test_a_settings_file_that_is_not_there_and_a_folder_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    """One sentence each, and exit status 1."""
    missing = started(tmp_path / "none.toml")
    _, told = missing.communicate(timeout=30)
    assert missing.returncode == 1
    assert "none.toml: cannot be read: no such file or directory" in told
    (tmp_path / "state").write_text("a file")
    settings = tmp_path / "edge.toml"
    settings.write_text(SETTINGS.format(port=os.devnull))
    blocked = started(settings)
    _, told = blocked.communicate(timeout=30)
    assert blocked.returncode == 1
    assert "state: cannot be used" in told
    assert "Traceback" not in told


def test_a_start_beside_a_running_gateway_counts_for_nothing(tmp_path: Path) -> None:
    """It is refused before it has decided anything: the trial is the running one's, and so is the disk."""
    file = written(tmp_path)
    (tmp_path / "state").mkdir()
    shelf = Shelf(tmp_path / "state" / FOLDER)
    shelf.write(KIND, Held().taken(settings_document(1)).begun())
    notes.write(tmp_path / "state", Note(notes.local_digest(file), []))
    running = state_folder.Lock()
    running.take(tmp_path / "state")
    try:
        for _ in range(STARTS_MAX + 1):
            with pytest.raises(BufferUnusableError, match="in use by another gateway"):
                serve(file, ready=lambda: None)
        assert shelf.peek(KIND).tries == 1
        file.write_text(text("by hand"))
        with pytest.raises(BufferUnusableError, match="in use by another gateway"):
            serve(file, ready=lambda: None)
        assert shelf.peek(KIND).waiting is not None
    finally:
        running.release()


def test_the_lock_goes_to_another_folder_with_the_settings_and_is_one_by_any_name(tmp_path: Path) -> None:
    """A hand may have changed the folder, or how it is spelt, while the gateway ran."""
    (tmp_path / "link").symlink_to(tmp_path / "state")
    own, other = state_folder.Lock(), state_folder.Lock()
    own.take(tmp_path / "state")
    own.take(tmp_path / "link")
    with pytest.raises(BufferUnusableError):
        other.take(tmp_path / "state")
    own.take(tmp_path / "next")
    other.take(tmp_path / "state")
    with pytest.raises(BufferUnusableError):
        other.take(tmp_path / "next")
    own.release()
    other.release()
