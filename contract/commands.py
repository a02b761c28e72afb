"""Commands: what the centre wants done once, at one gateway, before it is too late.

They travel signed (``contract.signing``, a type of their own), each on a topic of its own, unretained, and
with MQTT's expiry. A command is void after ``expires_ms``, and is never executed twice; an output that a
command holds is let go of at ``until_ms`` at the latest.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from contract.errors import ContractError
from contract.limits import (
    COMMAND_BYTES_MAX,
    COMMAND_HOLD_MS_MAX,
    COMMAND_LIFE_MS_MAX,
    NAME_CHARACTERS_MAX,
    VERSION,
    WHO_CHARACTERS_MAX,
)
from contract.names import NO_CONTROLS_PATTERN, Id, Name, Sequence, TimeMs

TARGET_PATTERN = r"^[a-z0-9][a-z0-9_/-]*\Z"
TARGET_CHARACTERS_MAX = 3 * NAME_CHARACTERS_MAX + 2
Target = Annotated[str, msgspec.Meta(pattern=TARGET_PATTERN, max_length=TARGET_CHARACTERS_MAX)]
"""An output as ``device/point``; an alarm as its rule, or ``rule/device/point``."""
Who = Annotated[str, msgspec.Meta(pattern=NO_CONTROLS_PATTERN, min_length=1, max_length=WHO_CHARACTERS_MAX)]


class CommandKind(StrEnum):
    """What is to be done. What holds for a time without an output of its own is a desired document."""

    SWITCH = "switch"  # hold an output on or off, until a time
    RELEASE = "release"  # let go of an output that the centre holds
    RESET_ALARM = "reset_alarm"  # let a latched alarm return to normal


class CommandRefusal(StrEnum):
    """Why a command is not executed."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    NO_KEY = "no_key"  # the key that signed it is not pinned here
    FORGED = "forged"
    WRONG_GATEWAY = "wrong_gateway"
    WRONG_TOPIC = "wrong_topic"  # it came on another command's topic
    REPLAYED = "replayed"  # its id was another command's, or nobody remembers that far back
    OVERTAKEN = "overtaken"  # a later command for the same target came before it
    EXPIRED = "expired"
    CLOCK_UNSET = "clock_unset"  # the gateway does not know the time, so not whether it is late
    CLOCKS_APART = "clocks_apart"  # it was issued later than it is here: one of the clocks is wrong
    OVERLOADED = "overloaded"  # more came at once than waits here
    STORAGE_UNAVAILABLE = "storage_unavailable"  # the disk does not take it
    NOT_ALLOWED = "not_allowed"  # there is no such target, or somebody with precedence holds it


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """One command; sequences rise strictly for each gateway, ``who`` is the operator.

    ``value`` and ``until_ms`` are of a switch, which needs both, and of nothing else.
    """

    version: int
    district: Name
    gateway: Name
    id: Id
    sequence: Sequence
    issued_ms: TimeMs
    expires_ms: TimeMs
    kind: CommandKind
    target: Target
    who: Who
    value: bool | None = None
    until_ms: TimeMs | None = None

    def is_over(self, now_ms: int) -> bool:
        """Say whether it comes too late: it has expired, or what it asks for would be over already."""
        return self.expires_ms <= now_ms or (self.until_ms is not None and self.until_ms <= now_ms)


def encode(command: Command) -> bytes:
    """Return it as JSON, to be signed; ContractError where nobody could read it."""
    data = msgspec.json.encode(command)
    if len(data) > COMMAND_BYTES_MAX // 2:
        raise ContractError(f"a command of {len(data)} bytes, {COMMAND_BYTES_MAX // 2} at most")
    decode(data)
    return data


def decode(data: bytes) -> Command:
    """Return the command; ContractError for anything that is not one of this version."""
    try:
        command = msgspec.json.decode(data, type=Command)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed command: {error}") from error
    if command.version != VERSION:
        raise ContractError(f"command of version {command.version}; this side speaks {VERSION}")
    _check(command)
    return command


def _check(command: Command) -> None:
    life_ms = command.expires_ms - command.issued_ms
    if not 0 < life_ms <= COMMAND_LIFE_MS_MAX:
        raise ContractError(
            f"a command that expires {life_ms} ms after its issue; more than 0, {COMMAND_LIFE_MS_MAX} at most"
        )
    is_switch = command.kind is CommandKind.SWITCH
    if is_switch != (command.value is not None) or is_switch != (command.until_ms is not None):
        raise ContractError("value and until_ms are of a switch, which needs both, and of nothing else")
    if command.kind is not CommandKind.RESET_ALARM and command.target.count("/") != 1:
        raise ContractError(f"the output {command.target[:80]!r} is not device/point")
    until_ms = command.until_ms
    if until_ms is not None and not 0 < until_ms - command.issued_ms <= COMMAND_HOLD_MS_MAX:
        raise ContractError(
            f"a command that ends before its issue, or holds for more than {COMMAND_HOLD_MS_MAX} ms"
        )
