"""Pulling feeds from a centre: page after page, each proved before it is taken, resumed after any break."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpx

from collector.exchange.chain import LINE_BYTES_MAX
from collector.exchange.receiving import PAGE_LINES_MAX, Receiver, ReceivingError, Taken

TRIES_MAX = 5
"""Of one page; what it held before is never lost."""
WAIT_S = 1.0
PAGE_BYTES_MAX = 512 * 1024**2
ANEW_MAX = 3
FEEDS_MAX = 20
GENERATION_GONE = 409


class RefusedError(ReceivingError):
    """The centre answers, and does not give what was asked for."""


class BrokenOffError(ReceivingError):
    """The connection ended before the page did; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a feed is now at the receiver, and what this pull brought."""

    feed: str
    lines: int
    items: int
    generation: int
    sequence: int
    sha256: str
    sm3: str


def listed(client: httpx.Client) -> list[str]:
    """Return the feeds that a centre tells; ReceivingError, httpx.HTTPError."""
    answer = client.get("/api/v1/exchange")
    if not answer.is_success:
        raise RefusedError(f"the centre answers {answer.status_code}: {answer.text[:300]}")
    try:
        return [str(each["feed"]) for each in answer.json()][:FEEDS_MAX]
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedError("that is no centre that exchanges anything; is the URL right?") from error


def pull(
    client: httpx.Client,
    receiver: Receiver,
    feed: str,
    *,
    limit: int = 1_000,
    sleep: Callable[[float], None] = time.sleep,
) -> Pulled:
    """Bring a feed up to its end; ReceivingError where that cannot be, with all that was proved kept."""
    lines = anew = 0
    last = False
    while not last:
        try:
            taken = _tried(client, receiver, feed, limit, sleep)
        except _GoneError as error:
            anew += 1
            if anew > ANEW_MAX:
                raise RefusedError(f"{feed}: {error}") from error
            receiver.begin_anew(feed)
            continue
        lines, last = lines + taken.count, taken.last
    at = receiver.standing(feed)
    link = at.link
    return Pulled(feed, lines, receiver.count(feed), at.generation, link.sequence, link.sha256, link.sm3)


class _GoneError(Exception):
    """The cursor means nothing there any more."""


def _tried(
    client: httpx.Client, receiver: Receiver, feed: str, limit: int, sleep: Callable[[float], None]
) -> Taken:
    for tried in range(TRIES_MAX):
        if tried:
            sleep(WAIT_S * 2 ** (tried - 1))
        try:
            return receiver.take(feed, _lines(client, receiver.standing(feed).cursor, feed, limit))
        except RefusedError:
            raise
        except ReceivingError as error:
            problem: ReceivingError = error
        except httpx.HTTPError as error:
            problem = BrokenOffError(f"{feed}: {str(error) or type(error).__name__}; what was proved is kept")
    raise problem


def _lines(client: httpx.Client, cursor: str, feed: str, limit: int) -> Iterator[bytes]:
    """Yield the whole lines of a page; what follows the last line's end is none."""
    query = {"limit": limit} | ({"after": cursor} if cursor else {})
    with client.stream("GET", f"/api/v1/exchange/{feed}", params=query) as answer:
        if answer.status_code == GENERATION_GONE:
            raise _GoneError(_detail(answer))
        if not answer.is_success:
            raise RefusedError(f"{feed}: the centre answers {answer.status_code}: {_detail(answer)}")
        yield from _split(answer.iter_bytes(), feed)


def _split(chunks: Iterable[bytes], feed: str) -> Iterator[bytes]:
    rest, size, count = b"", 0, 0
    for chunk in chunks:
        size += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        count += len(whole)
        if size > PAGE_BYTES_MAX or count > PAGE_LINES_MAX or len(rest) > LINE_BYTES_MAX:
            raise ReceivingError(f"{feed}: the page has no end; nothing of it was taken")
        yield from whole


def _detail(answer: httpx.Response) -> str:
    answer.read()
    return answer.text[:300]
