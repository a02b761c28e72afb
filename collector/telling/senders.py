"""Channels made of the channels file, and what they share: a client, threads."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo

import httpx

from collector.telling.channels_file import AppriseChannel, Channels, SmsChannel
from collector.telling.outgoing import Channel
from collector.telling.relay_client import RelaySender
from collector.telling.sms_channel import SmsSender


class Senders:
    """Makes channels; as a context it holds what they need."""

    def __init__(self, *, threads_max: int, now_ms: Callable[[], int], zone: tzinfo) -> None:
        """So many messages may be in Apprise at once."""
        self._now_ms, self._zone = now_ms, zone
        self._threads = ThreadPoolExecutor(threads_max, "apprise")
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=httpx.Timeout(30))

    def made(self, channels: Channels, keys: Mapping[str, bytes]) -> dict[str, Channel]:
        """Return them by name."""
        found: dict[str, Channel] = {}
        for channel in channels.channels:
            if isinstance(channel, AppriseChannel):
                from collector.telling.apprise_channel import AppriseSender  # noqa: PLC0415 - slow to import

                url = channel.url.get_secret_value()
                found[channel.name] = AppriseSender(channel.name, url, channel.timeout_s, self._threads)
            elif isinstance(channel, SmsChannel):
                found[channel.name] = SmsSender(channel, self._client, now_ms=self._now_ms, zone=self._zone)
            else:
                key = keys[channel.name]
                found[channel.name] = RelaySender(channel, key, self._client, now_ms=self._now_ms)
        return found

    async def __aenter__(self) -> "Senders":
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is shared; a thread that still sends ends with its own time-outs."""
        await self._client.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)
