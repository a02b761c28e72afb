"""Templates with the words and forms of one page: how times, ages, values and places are written."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from collector.console.language import COOKIE, Words, language_of
from collector.people.roles import LOCAL, Actor, Role

PART_HEADER = "x-gengfu-part"
"""Whoever sends it wants only what changes on a page."""
LANGUAGE_AGE_S = 365 * 86_400
_TEMPLATES = Environment(
    loader=PackageLoader("collector.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Forms:
    """How figures are written on a page."""

    def __init__(self, words: Words, now_ms: int, utc_offset_min: int) -> None:
        """Times are written in local time; ``now_ms`` is the page's own."""
        self._words, self._now_ms, self._offset = words, now_ms, timedelta(minutes=utc_offset_min)

    def when(self, at_ms: int | None) -> str:
        """Return a time; of today only the clock."""
        if at_ms is None:
            return "–"
        local, today = self._local(at_ms), self._local(self._now_ms)
        return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"

    def whole(self, at_ms: int | None) -> str:
        """Return a time with its date."""
        return "–" if at_ms is None else f"{self._local(at_ms):%Y-%m-%d %H:%M:%S}"

    def lasting(self, ms: int) -> str:
        """Return a duration in the largest unit that is not less than two."""
        seconds = max(0, ms) / 1000
        for name, unit_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds >= 2 * unit_s:
                return self._words(name, f"{seconds / unit_s:.0f}")
        return self._words("seconds", f"{seconds:.0f}")

    def ago(self, at_ms: int | None) -> str:
        """Return how long ago it was."""
        return "–" if at_ms is None else self.lasting(self._now_ms - at_ms)

    def value(self, value: object) -> str:
        """Return a measured value."""
        if value is None:
            return "–"
        if isinstance(value, bool):
            return self._words("on" if value else "off")
        return f"{value:.6g}" if isinstance(value, float) else str(value)[:60]

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC) + self._offset


class Drawer:
    """Draws pages for whoever asks."""

    def __init__(self, *, utc_offset_min: int, district: str) -> None:
        """``utc_offset_min`` is local time's."""
        self._utc_offset_min, self._district = utc_offset_min, district

    def page(
        self, request: Request, name: str, now_ms: int, told: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        """Return a page, or only what changes on it; 304 where whoever asks has that already."""
        words = Words(language_of(request))
        actor: Actor | None = getattr(request.state, "actor", None)
        shared = {
            "t": words,
            "f": Forms(words, now_ms, self._utc_offset_min),
            "now_ms": now_ms,
            "language": words.language,
            "district": self._district,
            "actor": actor,
            "is_local": actor == LOCAL,
            "may_command": actor is not None and actor.may(Role.COMMAND),
            "may_serve": actor is not None and actor.may(Role.COMMAND, Role.TECHNICIAN),
            "path": request.url.path,
            "tag": "",
        }
        template = _TEMPLATES.get_template(f"{name}.html")
        body = "".join(template.blocks["main"](template.new_context({**shared, **told})))
        tag = f'"{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"'
        if PART_HEADER in request.headers:
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers={"ETag": tag})
            return HTMLResponse(body, status, headers={"ETag": tag})
        response = HTMLResponse(template.render({**shared, **told, "tag": tag}), status)
        if request.query_params.get("lang") in ("en", "zh"):
            response.set_cookie(
                COOKIE, words.language, max_age=LANGUAGE_AGE_S, path="/console", samesite="strict"
            )
        return response
