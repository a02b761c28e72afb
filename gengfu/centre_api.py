"""Asking a centre over HTTP; whatever is in the way is one sentence."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from gengfu import token_file
from gengfu.centre_client import HINTS
from gengfu.language import said

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 300.0
"""A report of a large district takes a while."""
ANSWER_BYTES_MAX = 64 * 1024**2
"""Of what is kept in memory; a file may be as large as it is."""
REASON_CHARACTERS_MAX = 500


class CentreError(RuntimeError):
    """No answer, or none that can be used; the text says why and what to do."""


class Centre:
    """One centre's interface, as a context."""

    def __init__(self, url: str) -> None:
        """Connect with the first request."""
        self._url = url
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            self._client = httpx.Client(
                base_url=url,
                timeout=timeout,
                trust_env=False,
                headers=token_file.headers(url, os.environ),
                verify=token_file.verification(url, os.environ),
            )
        except token_file.TokenFileError as error:
            raise CentreError(str(error)) from error
        except httpx.InvalidURL as error:
            raise CentreError(f"{url}: is no address ({_words(error)}); write http://host:port") from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.close()

    def data(self, path: str, **query: str | int) -> Any:
        """Return the JSON of an answer; CentreError."""
        whole = bytearray()
        for chunk in self.chunks(path, **query):
            whole += chunk
            if len(whole) > ANSWER_BYTES_MAX:
                raise CentreError(f"{self._url}: answers more than {ANSWER_BYTES_MAX} bytes")
        with self._told():
            return httpx.Response(200, content=bytes(whole)).json()

    def chunks(self, path: str, **query: str | int) -> Iterator[bytes]:
        """Yield an answer as it comes; CentreError, also after some of it."""
        with self._told(), self._client.stream("GET", path, params=query) as response:
            if not response.is_success:
                response.read()
                hint = f"{said(*HINTS[code])}: " if (code := response.status_code) in HINTS else ""
                raise CentreError(f"{self._url}: refuses: {hint}{_reason(response)}")
            yield from response.iter_bytes()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CentreError(
                f"{self._url}: no centre answers there ({_words(error)}); start it, or give the URL that it "
                "tells when it is ready with --url"
            ) from error
        except httpx.TimeoutException as error:
            raise CentreError(f"{self._url}: no answer in time; try again") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CentreError(
                f"{self._url}: {_words(error)}; try again, or give the centre's --url"
            ) from error
        except ValueError as error:
            raise CentreError(f"{self._url}: answers no JSON: is that a centre? Give its --url") from error


def _words(error: Exception) -> str:
    told = re.sub(r"^\[errno -?[0-9]+\] ", "", str(error).strip().lower()).rstrip(".")
    return told or type(error).__name__


def _reason(response: httpx.Response) -> str:
    """Return what the centre says, or the status where it says nothing."""
    try:
        told = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.reason_phrase}; is that a centre of this version?"
    if isinstance(told, list):
        told = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in told)
    return str(told)[:REASON_CHARACTERS_MAX]
