"""What would be sent of a case, before it is: the exact request, with its secrets masked."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from collector.platforms import routing
from collector.platforms.mapping import ApiKey, Basic, Bearer, PlatformMapping
from collector.platforms.protocol import Outgoing
from collector.platforms.rest import RestConnector
from collector.platforms.running import with_desk
from collector.platforms.settings import LoadedPlatform
from collector.platforms.templates import TemplateError

MASK = "********"


def preview(message: Mapping[str, Any], loaded: Sequence[LoadedPlatform]) -> dict[str, Any]:
    """Return where a message (as the interface lists it) goes and its request, or what is in its way."""
    platforms = {each.settings.name: each for each in with_desk(loaded)}
    name = routing.choose([each.settings for each in platforms.values()], message["payload"])
    each = platforms[name]
    shown: dict[str, Any] = {
        "n": message["n"], "kind": message["kind"], "platform": name, "is_desk": each.mapping is None,
        "request": None, "problem": "",
    }  # fmt: skip
    if each.mapping is None or message["kind"] not in each.mapping.messages:
        return shown
    connector = RestConnector(
        each.settings.url or "",
        each.mapping,
        secret=each.secret,
        timeout_s=each.settings.timeout_s,
        now_ms=lambda: time.time_ns() // 1_000_000,
        new_id=lambda: uuid.uuid4().hex,
    )
    outgoing = Outgoing(message["case_id"], message["n"], message["kind"], message["payload"])
    try:
        request = connector.request_of(outgoing, message["key"])
    except TemplateError as error:
        return shown | {"problem": str(error)}
    secret = _secret_header(each.mapping)
    headers = {key: MASK if key.lower() == secret else value for key, value in request.headers.items()}
    body = request.body.decode(errors="replace")
    return shown | {
        "request": {"method": request.method, "url": request.url, "headers": headers, "body": _pretty(body)}
    }


def _secret_header(mapping: PlatformMapping) -> str:
    match mapping.authentication:
        case Bearer() | Basic():
            return "authorization"
        case ApiKey(header=header):
            return header.lower()
    return ""  # a signature tells nothing of its secret


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=1)
    except ValueError:
        return body
