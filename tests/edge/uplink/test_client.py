"""What the client hands on: a flood of documents or commands displaces nothing else that waits."""

import asyncio
from typing import Any

import aiomqtt
import pytest

from contract import topics
from contract.topics import Lane
from edge.uplink.client import _Inbox


def message(topic: str, payload: bytes, *, retain: bool = False) -> aiomqtt.Message:
    """Return a message as it arrives."""
    return aiomqtt.Message(topic, payload, 1, retain, 1, None)


def test_documents_pass_by_the_queue_and_what_is_not_ours_does_not() -> None:
    """Each with the last level of its topic, whatever that is, and with what the broker had retained."""
    handed: list[Any] = []
    commands: list[Any] = []
    signed: dict[str, Any] = {
        topics.desired("north", "gw-1", ""): lambda *document: handed.append(document),
        topics.cmd("north", "gw-1", ""): lambda *command: commands.append(command),
    }
    inbox = _Inbox(signed, maxsize=1)
    inbox.put_nowait(message(topics.ack("north", "gw-1", Lane.EVENTS), b"an acknowledgement"))
    for number in range(5):
        inbox.put_nowait(message("gengfu/1/north/gw-1/desired/lamp_plan", b"%d" % number, retain=number == 0))
    inbox.put_nowait(message("gengfu/1/north/gw-1/desired/none of ours", b""))
    inbox.put_nowait(message(topics.cmd("north", "gw-1", "a" * 32), b"a command"))
    assert commands == [("a" * 32, b"a command", False)]
    assert handed == [
        *(("lamp_plan", b"%d" % number, number == 0) for number in range(5)),
        ("none of ours", b"", False),
    ]
    assert inbox.get_nowait().payload == b"an acknowledgement"
    for topic in ("gengfu/1/north/gw-1/desiredx/a", "gengfu/1/north/gw-10/desired/a"):
        inbox.put_nowait(message(topic, b""))
        with pytest.raises(asyncio.QueueFull):
            inbox.put_nowait(message(topic, b""))
        inbox.get_nowait()
