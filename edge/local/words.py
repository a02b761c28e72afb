"""What is said over the local socket: one request and one answer a line, JSON."""

from typing import Annotated, Literal

import msgspec

from contract.events import WriteOutcome
from contract.limits import WHO_CHARACTERS_MAX
from contract.names import NO_CONTROLS_PATTERN, TimeMs
from contract.samples import ClockState, Quality, Value
from edge import line_report, link_report
from edge.commissioning.causes import Diagnosis
from edge.commissioning.finds import FoundDevice
from edge.commissioning.judging import Identified
from edge.commissioning.scanning import Scan
from edge.commissioning.symptoms import Symptom
from edge.lines.formats import FORMAT_PATTERN

SOCKET_NAME = "gateway.sock"
REQUEST_BYTES_MAX = 4 * 1024
ANSWER_BYTES_MAX = 4 * 1024 * 1024

WHO_MAX = WHO_CHARACTERS_MAX // 2
"""Characters of a name: the system's own name may come beside it."""
Who = Annotated[str, msgspec.Meta(pattern=NO_CONTROLS_PATTERN, min_length=1, max_length=WHO_MAX)]
Target = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Unit = Annotated[int, msgspec.Meta(ge=1, le=247)]
FormatText = Annotated[str, msgspec.Meta(pattern=FORMAT_PATTERN)]
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


class Ports(msgspec.Struct, frozen=True, tag_field="ask", tag="ports"):
    """Which serial ports the gateway owns."""


class ScanLine(msgspec.Struct, frozen=True, tag_field="ask", tag="scan"):
    """Look for devices on a line of the gateway, between its own questions. The answer is streamed.

    In the line's own format alone, unless ``formats`` are given (as 9600-8N1), or ``all_formats``; without
    ``units`` at all of them.
    """

    line: Target
    effort: Literal["quick", "usual", "thorough"] = "usual"
    all_formats: bool = False
    formats: Annotated[list[FormatText], msgspec.Meta(max_length=64)] = []
    units: Annotated[list[Unit], msgspec.Meta(max_length=247)] = []


class IdentifyUnit(msgspec.Struct, frozen=True, tag_field="ask", tag="identify"):
    """Say what the device at a unit of a line is. The answer is streamed."""

    line: Target
    unit_id: Unit
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=5)] = 0.3


class Examine(msgspec.Struct, frozen=True, tag_field="ask", tag="examine"):
    """Say what is wrong with a line. The answer is streamed."""

    line: Target
    times: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12


class ReadPoint(msgspec.Struct, frozen=True, tag_field="ask", tag="read"):
    """Read ``device/point`` now. The answer is streamed."""

    point: Target


class WritePoint(msgspec.Struct, frozen=True, tag_field="ask", tag="write"):
    """Write a value to ``device/point`` and read it back. The answer is streamed."""

    point: Target
    value: bool | float
    who: Who


class Watch(msgspec.Struct, frozen=True, tag_field="ask", tag="watch"):
    """How everything is now: of one line or device alone where they are named. The answer is streamed.

    Devices come worst first, ``count`` of them behind the first ``skip``.
    """

    line: Annotated[str, msgspec.Meta(max_length=200)] = ""
    device: Annotated[str, msgspec.Meta(max_length=200)] = ""
    skip: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    count: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100


OfLines = ScanLine | IdentifyUnit | Examine
OfPoints = ReadPoint | WritePoint
Streamed = OfLines | OfPoints | Watch
AskedOnce = State | Explain | Lock | Unlock | Manual | Release | Maintain | Reset | Ports
Request = AskedOnce | Streamed


class OwnPort(msgspec.Struct, frozen=True):
    """A serial line of the gateway, with its port and format as technicians write it."""

    line: str
    port: str
    format: str
    transmission_mode: str


class Going(msgspec.Struct, frozen=True, tag_field="told", tag="going"):
    """Streamed: how far it is; ``rest_s`` is about. ``found`` is who was found just now."""

    asked: int
    took_s: float
    rest_s: float
    what: str
    found: FoundDevice | None = None


class Scanned(msgspec.Struct, frozen=True, tag_field="told", tag="scanned"):
    """Streamed, last: what a scan has found."""

    scan: Scan


class DeviceTold(msgspec.Struct, frozen=True, tag_field="told", tag="identified"):
    """Streamed, last: what a device is."""

    identified: Identified


class Examined(msgspec.Struct, frozen=True, tag_field="told", tag="examined"):
    """Streamed, last: what is wrong with a line."""

    line: str
    symptoms: list[Symptom]
    diagnosis: Diagnosis


class RegisterTold(msgspec.Struct, frozen=True):
    """A register, or bit, as it came."""

    table: str
    address: int
    word: int


class PointTold(msgspec.Struct, frozen=True, tag_field="told", tag="point"):
    """Streamed, last: what a point is now; ``unit`` is a UCUM code.

    ``answer_s`` is how long the device took, None where it did not answer; ``took_s`` all of it, the turn on
    the line included.
    """

    device: str
    point: str
    value: Value
    quality: Quality
    error: str
    unit: str
    registers: list[RegisterTold]
    answer_s: float | None
    requests: int
    took_s: float
    time_ms: TimeMs
    clock: ClockState


class WriteTold(msgspec.Struct, frozen=True, tag_field="told", tag="write"):
    """Streamed, last: what became of a writing. ``recorded`` says whether its record is on disk by now."""

    device: str
    point: str
    outcome: WriteOutcome
    value: bool | float
    former: Value
    read_back: Value
    quality: Quality
    error: str
    unit: str
    recorded: bool
    took_s: float
    time_ms: TimeMs
    clock: ClockState


class ValueSeen(msgspec.Struct, frozen=True):
    """The last that a point said; ``unit`` is a UCUM code."""

    point: str
    value: Value
    unit: str
    quality: Quality
    error: str
    time_ms: TimeMs


class DeviceSeen(msgspec.Struct, frozen=True):
    """A device: how it answers, and what it said last, what is not good first, of ``values_count``."""

    line: str
    report: line_report.DeviceReport
    values: list[ValueSeen]
    values_count: int


class LineSeen(msgspec.Struct, frozen=True):
    """A line: the share of its time that is in use, part of 1, and how many devices are in which state."""

    line: str
    share: float
    states: dict[str, int]


class Page(msgspec.Struct, frozen=True, tag_field="told", tag="page"):
    """Streamed, last: how everything is at ``time_ms`` of the gateway's clock.

    ``window_s`` is what shares are of, ``devices_count`` how many there are to page through; ``rules`` are
    alarms and controls that are not at rest.
    """

    gateway: str
    time_ms: TimeMs
    clock: ClockState
    window_s: float
    lines: list[LineSeen]
    devices: list[DeviceSeen]
    devices_count: int
    link: link_report.Report
    rules: list["WhyTold"]


class Refused(msgspec.Struct, frozen=True, tag_field="told", tag="refused"):
    """Streamed, last: why it cannot be done."""

    text: str


News = Going | Scanned | DeviceTold | Examined | PointTold | WriteTold | Page | Refused


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
    ports: list[OwnPort] = []
