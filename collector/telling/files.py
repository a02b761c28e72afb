"""People file and channels file: read again when they change, the last good ones kept."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from collector.telling.channels_file import AppriseChannel, Channels, load_channels
from collector.telling.people import Directory, load_people
from collector.telling.settings import Telling
from toml_files import Problem, TomlFileError

_log = logging.getLogger(__name__)

PROBLEMS_TOLD_MAX = 5

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Standing:
    """Both files, read together; ``keys`` are those of relays, by channel. Its text never shows them."""

    directory: Directory
    channels: Channels
    keys: Mapping[str, bytes] = field(repr=False)


def load(people_path: Path, channels_path: Path) -> Standing:
    """Read both files; TomlFileError lists every mistake of either."""
    problems: list[Problem] = []
    directory, channels, keys = None, None, dict[str, bytes]()
    try:
        directory = load_people(people_path)
    except TomlFileError as error:
        problems += error.problems
    try:
        channels, keys = load_channels(channels_path)
        problems += unknown_to_apprise(channels_path, channels)
    except TomlFileError as error:
        problems += error.problems
    if directory and channels:
        problems += _unknown_channels(people_path, directory, channels)
    if problems or directory is None or channels is None:
        raise TomlFileError(problems)
    return Standing(directory, channels, keys)


class Files:
    """Looks whether a file changed; ``problem`` says why it is not in force, empty where it is."""

    def __init__(self, people_path: Path, channels_path: Path) -> None:
        """Read both; TomlFileError where they cannot be used at the start."""
        self._paths = people_path, channels_path
        self._stamp = self._stamped()
        self.standing = load(*self._paths)
        self.version = 1
        self.problem = ""

    async def look(self) -> None:
        """Read them again where they are not as they were read; a bad file keeps the last good one."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp  # told once, not at each look
        try:
            self.standing = await asyncio.to_thread(load, *self._paths)
        except TomlFileError as error:
            told = [str(problem) for problem in error.problems[:PROBLEMS_TOLD_MAX]]
            self.problem = "; ".join(told)
            _log.warning("people: the last good files stay in force: %s", self.problem)
        else:
            self.version += 1
            self.problem = ""
            _log.info("people: read again, %d people", len(self.standing.directory.people))

    def _stamped(self) -> Stamp:
        stamps: list[tuple[int, int, int] | None] = []
        for path in self._paths:
            try:
                found = path.stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(stamps)


def unknown_to_apprise(path: Path, channels: Channels) -> list[Problem]:
    """Return the channels of which Apprise makes nothing."""
    if not any(isinstance(channel, AppriseChannel) for channel in channels.channels):
        return []
    from collector.telling.apprise_channel import is_known  # noqa: PLC0415 - it takes a second to import

    return [
        Problem(
            str(path),
            0,
            f"channels[{index}].url",
            "Apprise makes nothing of it",
            "see Apprise's list of URLs",
        )
        for index, channel in enumerate(channels.channels)
        if isinstance(channel, AppriseChannel) and not is_known(channel.url.get_secret_value())
    ]


def _unknown_channels(path: Path, directory: Directory, channels: Channels) -> list[Problem]:
    known = ", ".join(sorted(channels.names))
    return [
        Problem(
            str(path),
            0,
            f"people[{index}].channels[{number}].channel",
            f"{reach.channel!r} of {person.name} is no channel of the channels file",
            f"write one of {known}",
        )
        for index, person in enumerate(directory.people)
        for number, reach in enumerate(person.channels)
        if reach.channel not in channels.names
    ]


def told_files(settings: Telling, folder: Path) -> Files | None:
    """Return the files that the settings name, read from ``folder``; None where none are; TomlFileError."""
    if not settings.people_file:
        return None
    return Files(folder / settings.people_file, folder / settings.channels_file)
