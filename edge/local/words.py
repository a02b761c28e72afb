"""What is said over the local socket: one request and one answer a line, JSON."""

from typing import Annotated

import msgspec

from contract.limits import WHO_CHARACTERS_MAX
from contract.names import NO_CONTROLS_PATTERN, TimeMs
from contract.samples import ClockState, Value

SOCKET_NAME = "gateway.sock"
REQUEST_BYTES_MAX = 4 * 1024
ANSWER_BYTES_MAX = 4 * 1024 * 1024

WHO_MAX = WHO_CHARACTERS_MAX // 2
"""Characters of a name: the system's own name may come beside it."""
Who = Annotated[str, msgspec.Meta(pattern=NO_CONTROLS_PATTERN, min_length=1, max_length=WHO_MAX)]
Target = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=400 * 86_400)]


class State(msgspec.Struct, frozen=True, tag_field="ask", tag="state"):
    """How all alarms and controls are."""


class Explain(msgspec.Struct, frozen=True, tag_field="ask", tag="explain"):
    """Why an alarm or control, by its name or its output's, is in its state."""

    name: Target


class Lock(msgspec.Struct, frozen=True, tag_field="ask", tag="lock"):
    """Lock an output, or all of a control, until it is unlocked; one that fails off goes off first."""

    output: Target
    who: Who


class Unlock(msgspec.Struct, frozen=True, tag_field="ask", tag="unlock"):
    """Unlock it."""

    output: Target
    who: Who


class Manual(msgspec.Struct, frozen=True, tag_field="ask", tag="manual"):
    """Hold an output on or off for a time."""

    output: Target
    on: bool
    for_s: Seconds
    who: Who


class Release(msgspec.Struct, frozen=True, tag_field="ask", tag="release"):
    """Let go of an output that is held here."""

    output: Target
    who: Who


class Maintain(msgspec.Struct, frozen=True, tag_field="ask", tag="maintain"):
    """Planned work on a device, for a time; None ends it."""

    device: Target
    for_s: Seconds | None
    who: Who


class Reset(msgspec.Struct, frozen=True, tag_field="ask", tag="reset"):
    """Reset a latched alarm."""

    alarm: Target
    who: Who


Request = State | Explain | Lock | Unlock | Manual | Release | Maintain | Reset


class FactTold(msgspec.Struct, frozen=True):
    """See edge.rules.why.Fact."""

    kind: str
    name: str
    value: Value = None
    limit: Value = None
    since_s: float | None = None
    text: str = ""


class WhyTold(msgspec.Struct, frozen=True):
    """See edge.rules.why.Why."""

    name: str
    kind: str
    state: str
    since_s: float | None
    facts: list[FactTold]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a request: ``refused`` says why nothing was done, empty where it was.

    ``until_ms`` is when a hold or planned work ends, by the gateway's clock, which says ``time_ms``;
    ``outputs`` are those that a lock, a hold or the end of one was about, ``rules`` tells of their controls.
    """

    gateway: str
    time_ms: TimeMs
    clock: ClockState
    refused: str = ""
    until_ms: TimeMs = 0
    rules: list[WhyTold] = []
    outputs: list[str] = []
