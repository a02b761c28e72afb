"""The interface of the exchange: feeds as JSON lines, page by page, each page with its count and digests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from collector.database import Database
from collector.exchange import telling
from collector.exchange.chain import Link, canonical
from collector.exchange.exporter import Exporter
from collector.exchange.settings import Exchange
from collector.exchange.sources import Feed
from collector.people.acting import allowed
from collector.people.roles import Role
from collector.views import RefusalView

LINES_TYPE = "application/x-ndjson"
LINES_AT_ONCE = 200
After = Annotated[
    str,
    Query(pattern=r"^([0-9]{1,9}:[0-9]{1,15})?$", description="`cursor` of the page before; empty to begin."),
]
EVERYBODY = (Role.READ_ONLY, Role.TECHNICIAN, Role.LIGHTING, Role.COMMAND)


class FeedView(BaseModel):
    """Where a feed stands: its last line, the digests over all its lines, how many things are there.

    ``compared_ms``: when all was last compared with what there is; null: not yet.
    """

    feed: Feed
    generation: int
    sequence: int
    sha256: str
    sm3: str
    items: int
    compared_ms: int | None


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    exporter: Exporter
    settings: Exchange


class Lines(StreamingResponse):
    """JSON lines."""

    media_type = LINES_TYPE


def router(sources: Sources) -> APIRouter:
    """Return the routes; whoever is signed in may read them."""
    routes = APIRouter(prefix="/exchange", dependencies=[Depends(allowed(*EVERYBODY))])
    refusals: dict[int | str, dict[str, object]] = {
        404: {"model": RefusalView, "description": "The settings do not name this feed."},
        409: {"model": RefusalView, "description": "The cursor is of another generation: begin anew."},
    }

    @routes.get("")
    async def get_feeds() -> list[FeedView]:
        """Where each feed stands."""
        return await sources.state.read(lambda db: [_view(db, feed) for feed in sources.exporter.feeds])

    @routes.get("/{feed}", responses=refusals | {200: {"content": {LINES_TYPE: {}}}})
    async def get_lines(
        feed: Feed,
        after: After = "",
        limit: Annotated[int, Query(ge=1, le=5_000, description="At most so many lines.")] = 1_000,
    ) -> Response:
        """Lines that follow, then one with ``page``: count, cursor, digests, whether it is the last."""
        if feed not in sources.exporter.feeds:
            raise HTTPException(404, f"{feed} is not exchanged here; name it in [exchange] feeds")
        found, end = await sources.state.read(
            lambda db: _page(db, feed, after, limit, sources.settings.page_bytes_max)
        )
        return Lines(_chunks([*found, end]))

    return routes


def _page(
    connection: Connection, feed: Feed, after: str, limit: int, bytes_max: int
) -> tuple[list[str], str]:
    at = telling.head(connection, feed)
    generation, sequence = (int(part) for part in after.split(":")) if after else (at.generation, 0)
    if generation != at.generation or sequence > at.link.sequence:
        raise HTTPException(
            409,
            f"{feed} is in generation {at.generation}, line {at.link.sequence}; begin anew without after",
        )
    found, link = telling.lines(connection, feed, sequence, limit, bytes_max)
    page = {
        "feed": feed.value,
        "generation": generation,
        "after": sequence,
        "count": len(found),
        "cursor": f"{generation}:{link.sequence}",
        "sha256": link.sha256,
        "sm3": link.sm3,
        "last": link.sequence == at.link.sequence,
        "items": at.items,
    }
    return found, canonical({"page": page}).decode()


async def _chunks(lines: list[str]) -> AsyncIterator[str]:
    for first in range(0, len(lines), LINES_AT_ONCE):
        yield "".join(f"{line}\n" for line in lines[first : first + LINES_AT_ONCE])


def _view(connection: Connection, feed: Feed) -> FeedView:
    at = telling.head(connection, feed)
    link: Link = at.link
    return FeedView(
        feed=feed,
        generation=at.generation,
        sequence=link.sequence,
        sha256=link.sha256,
        sm3=link.sm3,
        items=at.items,
        compared_ms=at.compared_ms,
    )
