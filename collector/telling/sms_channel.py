"""SMS over an HTTP gateway: parameters and signature by the channels file."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import tzinfo

import httpx

from collector.telling.channels_file import SmsChannel, SmsSignature, can_be_header
from collector.telling.http_rim import NoAnswerError, heard
from collector.telling.on_call import at
from collector.telling.outgoing import Accepted, Answer, Outgoing, Refused

_PLAIN = {"Accept-Encoding": "identity"}
_HEADERS = {"form": _PLAIN, "query": _PLAIN, "json": _PLAIN | {"Content-Type": "application/json"}}
LASTING = (400, 404, 405, 410, 413, 414, 422)


class SmsSender:
    """Sends through one gateway."""

    def __init__(
        self, channel: SmsChannel, client: httpx.AsyncClient, *, now_ms: Callable[[], int], zone: tzinfo
    ) -> None:
        """``client`` is shared."""
        self.name = channel.name
        self._channel, self._client, self._now_ms, self._zone = channel, client, now_ms, zone

    async def send(self, outgoing: Outgoing) -> Answer:
        """See Channel."""
        channel = self._channel
        values = filled(channel, outgoing, self._now_ms(), self._zone)
        headers = {name: _fill(template, values) for name, template in channel.headers.items()}
        if bad := [name for name, text in headers.items() if not can_be_header(text)]:
            what = f"header {bad[0]} would hold what no header can; headers are ASCII"
            return Refused(what, lasting=True)
        parameters = {name: _fill(template, values) for name, template in channel.parameters.items()}
        request = self._client.build_request(
            "GET" if channel.encode == "query" else "POST",
            channel.url,
            params=parameters if channel.encode == "query" else None,
            data=parameters if channel.encode == "form" else None,
            content=json.dumps(parameters, ensure_ascii=False) if channel.encode == "json" else None,
            headers=_HEADERS[channel.encode] | headers,
            timeout=channel.timeout_s,
        )
        try:
            answer = await heard(self._client, request, channel.timeout_s)
        except NoAnswerError as error:
            return Refused(f"the SMS gateway does not answer: {error}")
        return judged(answer.status, answer.content, channel.success)


def judged(status: int, content: bytes, success: str) -> Answer:
    """Return what a gateway's answer means."""
    if not 200 <= status < 300:
        return Refused(f"the SMS gateway answers {status}", lasting=status in LASTING)
    if success and not re.search(success, content.decode(errors="replace")):
        return Refused("the SMS gateway's answer does not say success")
    return Accepted()


def filled(channel: SmsChannel, outgoing: Outgoing, now_ms: int, zone: tzinfo) -> dict[str, str]:
    """Return what templates may hold, the signature last, as it is over the others."""
    text = outgoing.short[: channel.characters_max]
    values = {
        "address": outgoing.address,
        "subject": outgoing.subject[: channel.characters_max],
        "body": outgoing.body[: channel.characters_max],
        "text": text,
        "link": outgoing.link,
        "id": outgoing.id,
        "timestamp": _timestamp(channel.timestamp, now_ms, zone),
        "signature": "",
        "key": "",
    }
    if channel.signature:
        values["signature"] = signed(channel.signature, values)
    return values


def signed(signature: SmsSignature, values: dict[str, str]) -> str:
    """Return the signature over the filled-in text."""
    key = signature.key.get_secret_value()
    over = _fill(signature.over, values | {"key": key}).encode()
    if signature.algorithm == "hmac_sha256":
        digest = hmac.digest(key.encode(), over, "sha256")
    else:
        digest = hashlib.new(signature.algorithm, over, usedforsecurity=False).digest()
    if signature.encoding == "base64":
        return base64.b64encode(digest).decode()
    return digest.hex().upper() if signature.encoding == "hex_upper" else digest.hex()


def _timestamp(form: str, now_ms: int, zone: tzinfo) -> str:
    if form == "local":
        return f"{at(now_ms, zone):%Y%m%d%H%M%S}"
    return str(now_ms if form == "ms" else now_ms // 1000)


def _fill(template: str, values: dict[str, str]) -> str:
    return template.format(**values)
