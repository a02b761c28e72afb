"""The small messages, JSON: hello, acknowledgement, state, watch."""

from typing import Annotated, TypeVar

import msgspec

from contract.errors import ContractError
from contract.limits import (
    DESIRED_KINDS_MAX,
    DEVICES_PER_GATEWAY_MAX,
    EPOCHS_PER_HELLO_MAX,
    MESSAGE_BYTES_MAX,
    ROUND_S_MAX,
    VERSION,
    WATCH_S_MAX,
)
from contract.names import Epoch, Mark, Name, Sequence, Text, TimeMs
from contract.samples import ClockState
from contract.stretches import Stretches

RoundS = Annotated[float, msgspec.Meta(ge=0, le=ROUND_S_MAX)]
AckDigest = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?\Z")]


CONTESTED = "0" * 32
"""As the digest of an acknowledgement: two buffers number alike, so nothing may be deleted in this epoch."""


class LaneRange(msgspec.Struct, frozen=True):
    """What a lane still holds: sequences ``first`` to ``next - 1`` (equal when it is empty)."""

    first: Sequence
    next: Sequence


class EpochRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The current epoch, or a former one, which may be empty; lanes by name.

    ``stretches`` says which boots have numbered what a lane no longer holds.
    """

    epoch: Epoch
    lanes: Annotated[dict[Name, LaneRange], msgspec.Meta(max_length=8)]
    stretches: Annotated[dict[Name, Stretches], msgspec.Meta(max_length=8)] = {}


class DeviceEntry(msgspec.Struct, frozen=True):
    """A device as its gateway knows it; ``part`` is the city part it watches (GB/T 30428.2), or empty."""

    device: Name
    profile: Name
    line: Name
    title: Text = ""
    part: Text = ""


class Hello(msgspec.Struct, frozen=True):
    """What a gateway says on each connection; the collector answers with an acknowledgement a lane.

    ``desired`` has the sequence of the document in force, by kind; a kind without one is not named.
    """

    version: int
    district: Name
    gateway: Name
    boot_id: Epoch
    software: Text
    sent_ms: TimeMs
    clock: ClockState
    epochs: Annotated[list[EpochRange], msgspec.Meta(min_length=1, max_length=EPOCHS_PER_HELLO_MAX)]
    devices: Annotated[list[DeviceEntry], msgspec.Meta(max_length=DEVICES_PER_GATEWAY_MAX)] = []
    desired: Annotated[dict[Name, Sequence], msgspec.Meta(max_length=DESIRED_KINDS_MAX)] = {}


class Turn(msgspec.Struct, frozen=True):
    """When a gateway connects again after a loss: ``after_s`` into each round of ``of_s``; both seconds."""

    after_s: RoundS
    of_s: RoundS


class Ack(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cumulative: the collector has committed every batch of this epoch and lane up to ``upto``.

    ``digest`` is that of batch ``upto``, so that a cloned or rolled-back buffer is noticed; it is empty
    where ``upto`` is 0, or where the collector passed over a gap and never had that batch. CONTESTED ends
    the epoch: what the gateway holds has to come in another. ``turn`` is given
    in the answer to a hello, and whenever it has changed.
    """

    version: int
    epoch: Epoch
    upto: Mark
    digest: AckDigest = ""
    turn: Turn | None = None


class State(msgspec.Struct, frozen=True):
    """Retained; the broker itself says online=false when the connection dies (MQTT will)."""

    version: int
    online: bool
    boot_id: Epoch


class Watch(msgspec.Struct, frozen=True):
    """Somebody watches for so long: send newest values at once as they change. Renewed before it is over."""

    version: int
    for_s: Annotated[float, msgspec.Meta(ge=0, le=WATCH_S_MAX)]


Message = TypeVar("Message", Hello, Ack, State, Watch)


def encode(message: Hello | Ack | State | Watch) -> bytes:
    """Return the message as JSON; ContractError if it is too large."""
    data = msgspec.json.encode(message)
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"{type(message).__name__} of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    return data


def decode(data: bytes, kind: type[Message]) -> Message:
    """Return the message; ContractError for anything that is not one of this version."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"{kind.__name__} of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    try:
        message = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed {kind.__name__}: {error}") from error
    if message.version != VERSION:
        raise ContractError(f"{kind.__name__} of version {message.version}; this side speaks {VERSION}")
    return message
