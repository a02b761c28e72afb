"""The receiver of a feed: a SQLite file that holds what was told, and takes a page only when it is proved.

A page and the cursor behind it are one transaction: killed at any moment, it goes on where it was. What is
already held is never changed by a page whose digests differ.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.exchange.chain import ChainError, Link, Record, decode

PAGE_LINES_MAX = 5_001
BUSY_TIMEOUT_S = 30
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS feeds (feed TEXT PRIMARY KEY, generation INTEGER NOT NULL, "
    "sequence INTEGER NOT NULL, sha256 TEXT NOT NULL, sm3 TEXT NOT NULL, whole INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS items (feed TEXT NOT NULL, key TEXT NOT NULL, generation INTEGER NOT NULL, "
    "version INTEGER NOT NULL, body TEXT, PRIMARY KEY (feed, key)) WITHOUT ROWID",
)


class ReceivingError(RuntimeError):
    """A page is not what was told, or the file cannot be used; the text says what and what to do."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a feed was received; ``whole``: to the end, at least once in this generation."""

    generation: int
    link: Link
    whole: bool

    @property
    def cursor(self) -> str:
        """Return what is asked for next; empty to begin."""
        return f"{self.generation}:{self.link.sequence}" if self.generation else ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page brought: lines, and whether nothing follows."""

    count: int
    last: bool


class Receiver:
    """One file of received feeds."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; ReceivingError."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            for statement in _SCHEMA:
                self._db.execute(statement)
        except sqlite3.Error as error:
            raise ReceivingError(f"{path}: cannot be used: {error}; name another file") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def standing(self, feed: str) -> Standing:
        """Return how far a feed was received."""
        query = "SELECT generation, sequence, sha256, sm3, whole FROM feeds WHERE feed = ?"
        row = self._db.execute(query, (feed,)).fetchone()
        return Standing(row[0], Link(*row[1:4]), bool(row[4])) if row else Standing(0, Link(), False)

    def take(self, feed: str, lines: Iterable[bytes]) -> Taken:
        """Take a page, all of it or nothing; ReceivingError where it is not what was told."""
        at = self.standing(feed)
        records, link, page = _proved(feed, at, lines)
        generation, last = int(page["generation"]), bool(page["last"])
        with self._transaction():
            self._db.executemany(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?) ON CONFLICT (feed, key) DO UPDATE SET "
                "generation = excluded.generation, version = excluded.version, body = excluded.body",
                [
                    (
                        feed,
                        each.key,
                        generation,
                        each.version,
                        None if each.body is None else _text(each.body),
                    )
                    for each in records
                ],
            )
            if last:  # what this generation does not know is there no more
                self._db.execute("DELETE FROM items WHERE feed = ? AND generation < ?", (feed, generation))
                self._agree(feed, page)
            self._db.execute(
                "INSERT OR REPLACE INTO feeds VALUES (?, ?, ?, ?, ?, ?)",
                (feed, generation, link.sequence, link.sha256, link.sm3, int(last or at.whole)),
            )
        return Taken(len(records), last)

    def begin_anew(self, feed: str) -> None:
        """Forget how far it was; what is held stays until the new generation is whole."""
        self._db.execute("DELETE FROM feeds WHERE feed = ?", (feed,))

    def items(self, feed: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Yield key, version and body of what is there, by key."""
        query = "SELECT key, version, body FROM items WHERE feed = ? AND body IS NOT NULL ORDER BY key"
        for key, version, body in self._db.execute(query, (feed,)):
            yield key, version, json.loads(body)

    def count(self, feed: str) -> int:
        """Return how many things are there."""
        query = "SELECT count(*) FROM items WHERE feed = ? AND body IS NOT NULL"
        return int(self._db.execute(query, (feed,)).fetchone()[0])

    def _agree(self, feed: str, page: dict[str, Any]) -> None:
        if self.count(feed) != page["items"]:
            raise ReceivingError(
                f"{feed}: {self.count(feed)} things are here, {page['items']} there; begin anew (--anew)"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _proved(feed: str, at: Standing, lines: Iterable[bytes]) -> tuple[list[Record], Link, dict[str, Any]]:
    """Return what a page says, where the chain stands after it, and its last line; ReceivingError."""
    records: list[Record] = []
    link = at.link
    page: dict[str, Any] | None = None
    try:
        for line in lines:
            if page is not None or len(records) > PAGE_LINES_MAX:
                raise ReceivingError(f"{feed}: more lines than a page has; nothing of it was taken")
            if line.startswith(b'{"page":'):
                page = _page(line)
                continue
            record, link = decode(line, link)
            records.append(record)
    except ChainError as error:
        raise ReceivingError(f"{feed}: {error}; nothing of this page was taken, try again") from error
    if page is None:
        raise ReceivingError(f"{feed}: the page broke off; nothing of it was taken, try again")
    told = {"feed": feed, "after": at.link.sequence, "count": len(records), "cursor": page["cursor"]}
    told |= {"sha256": link.sha256, "sm3": link.sm3}
    for name, value in told.items():
        if page[name] != value:
            raise ReceivingError(
                f"{feed}: {name} is {page[name]} there and {value} here, after line {link.sequence}; "
                "nothing of this page was taken: something changed it on its way, or here"
            )
    if at.generation and page["generation"] != at.generation:
        raise ReceivingError(f"{feed}: generation {page['generation']} came, {at.generation} is held")
    return records, link, page


def _page(line: bytes) -> dict[str, Any]:
    try:
        page = json.loads(line)["page"]
        kinds = {"feed": str, "generation": int, "after": int, "count": int, "cursor": str}
        kinds |= {"sha256": str, "sm3": str, "last": bool, "items": int}
        if not all(type(page[name]) is kind for name, kind in kinds.items()):
            raise TypeError("something is of another kind")
    except (ValueError, TypeError, KeyError) as error:
        raise ReceivingError(f"the end of the page cannot be read: {error}; try again") from error
    return dict(page)


def _text(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
