"""What devices served, written down by themselves; and a picture of the world for those who watch."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from simulators.errors import SimulatorError
from simulators.modbus import Record

LEDGER_BYTES_MAX = 1024**3


class Ledger:
    """A JSON-lines file, one line a record, each given to the system at once. Safe across threads.

    An existing file is continued. At ``bytes_max`` a last line {"full": true} is written, then no more.
    """

    def __init__(self, path: Path, bytes_max: int = LEDGER_BYTES_MAX) -> None:
        """Open the file in its folder, which must exist; SimulatorError if that fails."""
        self._path = path
        self._lock = threading.Lock()
        self._bytes_max = bytes_max
        with _writing(path):
            self._file = path.open("ab", buffering=0)
        self._bytes = self._file.tell()
        self.full = self._bytes >= bytes_max

    def write(self, time_ms: int, line: str, record: Record) -> None:
        """Add one record; ``time_ms`` is when its answer was out, UTC. SimulatorError if that fails."""
        entry = {
            "time_ms": time_ms,
            "line": line,
            "device": record.device,
            "unit_id": record.unit_id,
            "table": record.table,
            "address": record.address,
            "values": record.values,
        }
        if record.write:
            entry["write"] = True
        data = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self.full or self._file.closed:
                return
            if self._bytes + len(data) > self._bytes_max:
                self.full = True
                data = b'{"full":true}\n'
            with _writing(self._path):
                self._file.write(data)
            self._bytes += len(data)

    def close(self) -> None:
        """Close the file; later records are dropped."""
        with self._lock:
            self._file.close()


def write_truth(path: Path, time_ms: int, truth: Mapping[str, Mapping[str, object]]) -> None:
    """Replace the file at once by {"time_ms", "values", "outputs"}, so that no reader sees a half.

    Its folder must exist. SimulatorError if that fails.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with _writing(path):
        fresh.write_text(json.dumps({"time_ms": time_ms, **truth}, separators=(",", ":")) + "\n")
        fresh.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not path.parent.is_dir():
            raise SimulatorError(
                f"{path}: there is no folder {path.parent}; make it, or choose another file"
            ) from error
        raise SimulatorError(f"{path}: cannot be written: {error.strerror}; choose another file") from error
