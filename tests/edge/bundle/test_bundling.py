"""What is odd costs its own part of a bundle, and never the bundle; nothing keeps it waiting."""

import io
import json
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from edge import line_report
from edge.bundle import bundling, parts
from edge.local.client import NoAnswerError, streamed
from edge.local.words import SOCKET_NAME, Watch

GOING = b'{"told":"going","asked":0,"took_s":0,"rest_s":0,"what":"x"}\n'
NO_PROGRAMS = MappingProxyType({"PATH": "/nowhere"})
DEEP = b"[" * 900 + b"]" * 900


def bundled(folder: Path, settings: str, **files: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Write a bundle of settings and state files; return its texts, and why what is missing is."""
    path = folder / "edge.toml"
    path.write_text(f'gateway = "gw-1"\n{settings}')
    (folder / "state").mkdir()
    for name, data in files.items():
        (folder / "state" / f"{name}.json").write_bytes(data)
    text, file = bundling.settings_text(path), io.BytesIO()
    raw = bundling.raw_settings(text)
    limits, literals = parts.limits_of(raw), bundling.literals_of(text, raw, {})
    asked = [it for it in parts.parts(path, raw, limits, NO_PROGRAMS) if it.name != "versions.json"]
    told = bundling.write(file, "b", asked, literals, limits, 1)
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        found = {it.name: archive.extractfile(it) for it in archive.getmembers()}
        texts = {name.removeprefix("b/"): data.read().decode() for name, data in found.items() if data}
    assert [it["name"] for it in json.loads(texts["bundle.json"])] == [it.name for it in asked]
    return texts, {it.name: it.missing for it in told if it.missing}


@pytest.mark.parametrize(
    "settings",
    [
        "lines = 3",
        "lines = [3]",
        '[[lines]]\nport = "\\u0000"',
        '[[lines]]\nport = ["a"]',
        "devices = 3",
        "support = 3",
        f"deep = {DEEP.decode()}",
        f"{'.'.join('a' * 3000)} = 1",
        f"long = {'9' * 5000}",
    ],
)
def test_odd_settings_leave_the_bundle_whole(settings: str, tmp_path: Path) -> None:
    """Nobody has checked them: broken ones are why somebody asks for help."""
    texts, missing = bundled(tmp_path, settings)
    assert texts["settings.toml"].startswith('gateway = "gw-1"')
    assert isinstance(json.loads(texts["ports.json"]), list)
    assert "ports.json" not in missing


def test_a_state_folder_that_can_be_none_costs_the_parts_that_are_in_it(tmp_path: Path) -> None:
    """Each is named with the error and its type."""
    texts, missing = bundled(tmp_path, 'state_folder = "a\\u0000b"')
    assert missing["buffer.json"].startswith("ValueError: ")
    assert {"settings.toml", "ports.json"} <= texts.keys()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"version": "\xff"}', "UnicodeDecodeError: "),
        (DEEP, "RecursionError: "),
        (b"[" * 100_000, "RecursionError: "),
    ],
)
def test_an_odd_report_costs_its_own_part(data: bytes, said: str, tmp_path: Path) -> None:
    """The gateway wrote it, or whoever has taken that over."""
    name = line_report.FILE_NAME
    texts, missing = bundled(tmp_path, "", **{name.removesuffix(".json"): data})
    assert missing[name].startswith(said)
    assert "settings.toml" in texts


def test_what_utf_8_cannot_hold_is_replaced_in_a_part_and_in_a_reason() -> None:
    """As a name on the disk that is none gives it."""

    def odd() -> object:
        raise FileNotFoundError("a\udcffb is not there")

    asked = [parts.Part("odd.txt", lambda: "a\udcffb"), parts.Part("odd.json", odd)]
    [text, reason] = bundling.write(io.BytesIO(), "b", asked, set(), parts.limits_of({}), 1)
    assert (text.octets, text.missing) == (3, "")
    assert reason.missing == "a?b is not there"


def test_the_reason_of_an_odd_part_is_without_secrets_and_bounded(tmp_path: Path) -> None:
    """An error may quote what it did not understand."""

    def odd() -> object:
        raise ZeroDivisionError('password = "hunter2-Zq9"' + "x" * 10_000)

    file = io.BytesIO()
    [told] = bundling.write(file, "b", [parts.Part("odd.json", odd)], set(), parts.limits_of({}), 1)
    assert told.missing.startswith("ZeroDivisionError: password = [removed]")
    assert len(told.missing) <= bundling.REASON_CHARACTERS_MAX


@contextmanager
def talking(folder: Path, said: bytes) -> Iterator[None]:
    """Let a socket where a gateway's is say this again and again, until the other side has gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET_NAME))
        listener.listen()

        def talk() -> None:
            link, _ = listener.accept()
            with link:
                for _ in range(100_000):
                    try:
                        link.sendall(said)
                    except OSError:
                        return
                    enough.wait(0.02)

        enough = threading.Event()
        talker = threading.Thread(target=talk)
        talker.start()
        try:
            yield
        finally:
            enough.set()
            talker.join()


@pytest.mark.parametrize("said", [GOING, b"x"], ids=["lines", "no line"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda folder: list(streamed(folder, Watch(), whole_s=0.3)),
        parts._now,
    ],
    ids=["asked", "part"],
)
def test_who_talks_without_end_and_says_nothing_is_left_in_time(
    said: bytes, ask: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole has a deadline, whatever comes meanwhile."""
    monkeypatch.setattr(parts, "NOW_S_MAX", 0.3)
    monkeypatch.chdir(tmp_path)
    with talking(Path(), said), pytest.raises(NoAnswerError, match=r"no answer within 0\.3 s"):
        ask(tmp_path)


def test_one_line_that_never_ends_is_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each byte of it comes soon after the one before."""
    monkeypatch.chdir(tmp_path)
    with talking(Path(), b"x"), pytest.raises(NoAnswerError, match=r"no answer within 0\.3 s"):
        list(streamed(tmp_path, Watch(), 0.3))
