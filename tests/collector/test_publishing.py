"""What cannot be looked up or noted on its way to the broker is told and tried again; the link goes on."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from collector import patience, publishing
from collector.publishing import Outgoing
from tests.collector.making import Clock, settings, standing

FULL = OperationalError("UPDATE", {}, Exception("disk full"))
ONE = Outgoing("topic", b"", None, retain=False, key=("gw-1", 1))


@pytest.mark.parametrize("error", [ValueError("a mistake"), FULL])
def test_whatever_fails_on_its_way_to_the_broker_is_told_and_tried_again(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is raised reaches the link, and with it the centre."""
    monkeypatch.setattr(patience, "RETRY_S", 0.001)
    monkeypatch.setattr(publishing, "POLL_INTERVAL_S", 0.001)
    told: list[list[str]] = []

    with standing(settings(tmp_path), Clock()) as collector:
        publisher, left = collector.command_publisher, [error, error, error]

        def due(_: Connection) -> list[Outgoing]:
            if left:
                raise left.pop()
            told.append(collector.metrics.patiences.reasons())
            return [ONE]

        def note(_connection: Connection, _outgoing: object) -> None:
            raise error

        monkeypatch.setattr(publisher, "is_due", lambda _: True)
        monkeypatch.setattr(publisher, "due", due)
        monkeypatch.setattr(publisher, "note", note)

        async def scenario() -> None:
            async with asyncio.timeout(20):
                assert await publisher.take() == [ONE]
                await publisher.sent([ONE])

        asyncio.run(scenario())
        reason = f"cannot go on ({getattr(error, 'orig', error)})"
        assert told == [[f"commands: {reason}"]]
        assert collector.metrics.patiences.reasons() == [f"commands, noted as sent: {reason}"]
        assert f"commands, noted as sent: {reason}" in collector.health.reasons()
        assert 'gengfu_failures_total{part="commands"} 3.0' in collector.metrics.text().decode()
