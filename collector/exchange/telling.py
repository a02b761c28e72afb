"""What a feed tells next: everything that is not as it was told last, compared page by page.

A change is found however it came about. All runs inside the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.database import insert
from collector.exchange import chain
from collector.exchange.chain import Link, Record
from collector.exchange.sources import SOURCES, Feed
from collector.exchange.tables import exchange_feeds, exchange_items, exchange_lines

ITEMS_AT_ONCE_MAX = 500
_I, _L = exchange_items.c, exchange_lines.c


@dataclass(frozen=True, slots=True)
class Head:
    """Where a feed stands: generation, chain, how many things are there, when all was last compared."""

    generation: int
    link: Link
    items: int
    compared_ms: int | None


def head(connection: Connection, feed: Feed) -> Head:
    """Return where a feed stands; one that never told anything begins with generation 1."""
    query = select(exchange_feeds).where(exchange_feeds.c.feed == feed.value)
    row: Row[Any] | None = connection.execute(query).first()
    if row is None:
        return Head(1, Link(), 0, None)
    return Head(row.generation, Link(row.sequence, row.sha256, row.sm3), row.items, row.compared_ms)


def compare(connection: Connection, feed: Feed, after: str, now_ms: int) -> str | None:
    """Tell what differs among the things that follow the key ``after``.

    Return the key to go on from, None at the end.
    """
    at = head(connection, feed)
    there = SOURCES[feed](connection, after, ITEMS_AT_ONCE_MAX)
    upto = max(there) if len(there) == ITEMS_AT_ONCE_MAX else None
    where = [_I.feed == feed.value, _I.key > after, *([_I.key <= upto] if upto else [])]
    told = {row.key: row for row in connection.execute(select(exchange_items).where(*where))}
    records, items, link = [], at.items, at.link
    for key in sorted(there.keys() | told.keys()):
        body, former = there.get(key), told.get(key)
        print_ = chain.digest(body) if body is not None else ""
        if former is not None and former.digest == print_:
            continue
        record = Record(link.sequence + 1, key, former.version + 1 if former else 1, body)
        line = chain.encode(record)
        link = link.then(line)
        items += bool(print_) - bool(former and former.digest)
        records.append((record, print_, line, link))
    _write(connection, feed, records)
    compared_ms = now_ms if upto is None else at.compared_ms
    _move(connection, feed, Head(at.generation, link, items, compared_ms))
    return upto


def lines(
    connection: Connection, feed: Feed, after: int, most: int, bytes_max: int
) -> tuple[list[str], Link]:
    """Return the lines that follow line ``after``, one at least if any does, and the chain after them."""
    query = select(exchange_lines).where(_L.feed == feed.value, _L.sequence > after)
    found: list[str] = []
    size, link = 0, link_at(connection, feed, after)
    for row in connection.execute(query.order_by(_L.sequence).limit(most)):
        size += len(row.line.encode())
        if found and size > bytes_max:
            break
        found.append(row.line)
        link = Link(row.sequence, row.sha256, row.sm3)
    return found, link or Link()


def link_at(connection: Connection, feed: Feed, sequence: int) -> Link | None:
    """Return the chain after a line; None where there is no such line."""
    if sequence == 0:
        return Link()
    query = select(exchange_lines).where(_L.feed == feed.value, _L.sequence == sequence)
    row = connection.execute(query).first()
    return Link(row.sequence, row.sha256, row.sm3) if row else None


def begin_anew(connection: Connection, feed: Feed) -> None:
    """Forget what was told; the next generation tells what is there then."""
    at = head(connection, feed)
    for table in (exchange_lines, exchange_items):
        connection.execute(delete(table).where(table.c.feed == feed.value))
    _move(connection, feed, Head(at.generation + 1, Link(), 0, None))


def is_worn(connection: Connection, feed: Feed, lines_max: int) -> bool:
    """Say whether a feed is over ``lines_max`` lines, and most of them old: telling it anew is shorter."""
    at = head(connection, feed)
    return at.link.sequence > max(lines_max, 2 * at.items)


def counted(connection: Connection, feed: Feed) -> int:
    """Return how many things stand as told, counted anew."""
    query = select(func.count()).where(_I.feed == feed.value, _I.digest != "")
    return connection.scalar(query) or 0


def _write(connection: Connection, feed: Feed, records: Sequence[tuple[Record, str, bytes, Link]]) -> None:
    if not records:
        return
    connection.execute(
        plain_insert(exchange_lines),
        [
            {
                "feed": feed.value,
                "sequence": link.sequence,
                "line": line.decode(),
                "sha256": link.sha256,
                "sm3": link.sm3,
            }
            for _, _, line, link in records
        ],
    )
    statement = insert(connection, exchange_items)
    put = statement.on_conflict_do_update(
        index_elements=["feed", "key"],
        set_={"version": statement.excluded.version, "digest": statement.excluded.digest},
    )
    connection.execute(
        put,
        [
            {"feed": feed.value, "key": record.key, "version": record.version, "digest": print_}
            for record, print_, _, _ in records
        ],
    )


def _move(connection: Connection, feed: Feed, to: Head) -> None:
    values = {
        "generation": to.generation,
        "sequence": to.link.sequence,
        "sha256": to.link.sha256,
        "sm3": to.link.sm3,
        "items": to.items,
        "compared_ms": to.compared_ms,
    }
    where = exchange_feeds.c.feed == feed.value
    if not connection.execute(update(exchange_feeds).where(where).values(values)).rowcount:
        connection.execute(plain_insert(exchange_feeds).values(feed=feed.value, **values))
