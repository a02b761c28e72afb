"""The centre's end of a relay: signed messages over HTTP, answers that are signed too."""

import json
import secrets
from collections.abc import Callable

import httpx

from collector.telling import relay_signing
from collector.telling.channels_file import RelayChannel
from collector.telling.http_rim import Heard, NoAnswerError, heard
from collector.telling.outgoing import Accepted, Answer, Outgoing, Refused

_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class RelaySender:
    """Sends to one channel of one relay."""

    def __init__(
        self, channel: RelayChannel, key: bytes, client: httpx.AsyncClient, *, now_ms: Callable[[], int]
    ) -> None:
        """``key`` is shared with the relay."""
        self.name = channel.name
        self._channel, self._key, self._client, self._now_ms = channel, key, client, now_ms

    async def send(self, outgoing: Outgoing) -> Answer:
        """See Channel; the relay sends a message once, however often it is given."""
        body = json.dumps(
            {
                "id": outgoing.id,
                "channel": self._channel.channel,
                "address": outgoing.address,
                "subject": outgoing.subject,
                "body": outgoing.body,
                "link": outgoing.link,
                "incident_id": outgoing.incident_id,
                "highest": outgoing.highest,
            },
            ensure_ascii=False,
        ).encode()
        nonce = secrets.token_hex(relay_signing.NONCE_CHARACTERS // 2)
        signed = relay_signing.headers(self._key, "request", self._now_ms() // 1000, nonce, body)
        url = f"{self._channel.url.rstrip('/')}/relay/v1/messages"
        request = self._client.build_request(
            "POST", url, content=body, headers=signed | _HEADERS, timeout=self._channel.timeout_s
        )
        try:
            answer = await heard(self._client, request, self._channel.timeout_s)
        except NoAnswerError as error:
            return Refused(f"the relay does not answer: {error}")
        return self._judged(answer, nonce)

    def _judged(self, answer: Heard, nonce: str) -> Answer:
        now_s = self._now_ms() // 1000
        try:
            if relay_signing.check(self._key, "answer", answer.headers, answer.content, now_s) != nonce:
                return Refused("the relay answers another request")
            said = json.loads(answer.content)
            state, reason = str(said["state"]), str(said.get("reason", ""))[:200]
        except (relay_signing.SignatureError, ValueError, TypeError, LookupError, AttributeError) as error:
            why = str(error) if isinstance(error, relay_signing.SignatureError) else "not its form"
            return Refused(f"the relay answers {answer.status}, and not as one that has the key: {why}")
        if state == "sent":
            return Accepted()
        return Refused(f"the relay: {reason}", lasting=state == "failed")
