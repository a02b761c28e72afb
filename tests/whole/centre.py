"""The collector's real intake on a database that can be wiped, backed up and restored."""

from collections import Counter
from typing import cast

from sqlalchemy import and_, create_engine, select
from sqlalchemy.pool import StaticPool

from collector import tables
from collector.intake import PARTED, Answer, Received, Rules, take
from collector.journal import begin
from contract import batches

START_MS = 1_800_000_000_000
RULES = Rules("north", 10, 1_000, 2**30, 100)
SAMPLES_PER_BATCH = 40


Place = tuple[str, str, int]
"""Epoch, lane and sequence."""


class Centre:
    """The collector's intake on a database of its own, and everything that any of its databases ever held."""

    def __init__(self) -> None:
        """Begin with an empty database."""
        self.seen: set[int] = set()
        """Serials of batches that were journalled, ever, as they are or as tombstones."""
        self._places: dict[int, set[Place]] = {}
        """Where each of them was."""
        self._engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self.wipe()

    def wipe(self) -> None:
        """Begin with an empty database, as a new centre does."""
        tables.STATE.drop_all(self._engine)
        tables.STATE.create_all(self._engine)
        with self._engine.begin() as connection:
            begin(connection, "a" * 32)

    def take(self, group: list[Received]) -> list[Answer]:
        """Commit a group; return what is to be answered."""
        with self._engine.begin() as connection:
            outcome = take(connection, group, RULES)
        assert not outcome.rejected, outcome.rejected
        for serial, place in self._journalled():
            self._places.setdefault(serial, set()).add(place)
        self.seen = set(self._places)
        return outcome.answers

    def held(self) -> Counter[int]:
        """Return how often each serial is in the journal."""
        return Counter(serial for serial, _ in self._journalled())

    def unnamed(self) -> set[int]:
        """Return what was journalled once and is not now, and that no gap names."""
        return {serial for serial in self.seen - self.held().keys() if not self._names(self._places[serial])}

    def parted(self) -> bool:
        """Say whether it ever took two buffers to have numbered alike."""
        query = select(tables.gaps.c.id).where(tables.gaps.c.reason == PARTED)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def _journalled(self) -> list[tuple[int, Place]]:
        columns = [tables.journal.c[name] for name in ("epoch", "lane", "sequence", "message")]
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns)).all()
        return [(serial_of(batches.decode(message)), (epoch, lane, at)) for epoch, lane, at, message in rows]

    def _names(self, places: set[Place]) -> bool:
        gaps = tables.gaps.c
        with self._engine.connect() as connection:
            for epoch, lane, sequence in places:
                within = and_(gaps.first_sequence <= sequence, gaps.last_sequence >= sequence)
                query = select(gaps.id).where(gaps.epoch == epoch, gaps.lane == lane, within)
                if connection.execute(query).first():
                    return True
        return False

    def image(self) -> bytes:
        """Return a backup."""
        with self._engine.connect() as connection:
            return cast("bytes", connection.connection.driver_connection.serialize())  # type: ignore[union-attr]

    def restore(self, image: bytes) -> None:
        """Go back to a backup."""
        with self._engine.connect() as connection:
            connection.connection.driver_connection.deserialize(image)  # type: ignore[union-attr]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def serial_of(batch: batches.Batch) -> int:
    """Return the serial of a batch, which its times tell even when it has become a tombstone."""
    first_ms = batch.tombstone.first_ms if batch.tombstone else batch.samples[0].time_ms
    return (first_ms - START_MS) // SAMPLES_PER_BATCH
