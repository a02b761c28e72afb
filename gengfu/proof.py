"""The proof that a release works: a small file that the gateway which runs out of it writes once it does.

Who has put the release in force, or starts it next, reads it (``releases/guarding.py``).
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_log = logging.getLogger(__name__)

FILE_NAME = "proof.json"
LOOK_S = 1.0
AT_WORK_S = 20.0
"""So long without a break a gateway must have been at work."""


class Proof:
    """Writes the proof of the release that this process runs out of; without one, or a service, nothing."""

    def __init__(self, folder: Path | None, release: str) -> None:
        """``folder`` is the service's state folder; ``release`` is the name of the release's folder."""
        self._folder, self._release = folder, release

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Proof":
        """Take the folder that systemd names, and the release by where its Python stands."""
        folder = environment.get("STATE_DIRECTORY", "")
        prefix = Path(sys.prefix)
        release = prefix.name if prefix.parent.name == "releases" else ""
        return cls(Path(folder) if folder else None, release)

    async def give(self, at_work: Callable[[], bool], connected: Callable[[], bool]) -> None:
        """Write it when the gateway has been at work for long enough, and again when it has had contact."""
        folder = self._folder
        if folder is None or not self._release:
            return
        sound_s, contact, written = 0.0, False, None
        while not (written and written[1]):
            await asyncio.sleep(LOOK_S)
            sound_s = sound_s + LOOK_S if at_work() else 0.0
            contact = contact or connected()
            told = (self._release, contact)
            if sound_s >= AT_WORK_S and written != told and self._write(folder, *told):
                written = told

    @staticmethod
    def _write(folder: Path, release: str, contact: bool) -> bool:
        """Replace the file in one step; a disk that refuses is asked again."""
        fresh = folder / f".{FILE_NAME}"
        try:
            fresh.write_text(json.dumps({"release": release, "contact": contact}))
            fresh.replace(folder / FILE_NAME)
        except OSError as error:
            _log.debug("the proof of %s cannot be written: %s", release, error)
            return False
        return True
