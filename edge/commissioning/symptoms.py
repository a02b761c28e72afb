"""What the bytes of an examined line show, before anybody says what it comes from. Pure.

A symptom belongs to one unit or to the whole line, and says how much of what was asked showed it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.commissioning.overheard import Overheard
from edge.drivers.probing import Frames, ProbeProtocol
from edge.lines.crc import crc16
from edge.lines.formats import Format
from edge.lines.framing import Frame

LATE_S = 0.2
"""An answer that begins later is late, where the settings allow less."""
OFTEN, NEARLY_ALWAYS = 0.6, 0.85
FLOATING = frozenset({0x00, 0xFF, 0xFE, 0xFC, 0xF8, 0xF0, 0xE0, 0xC0, 0x80})
"""What a receiver makes of a line that swings to rest by itself: a start bit, then ones."""


class Symptom(msgspec.Struct, frozen=True):
    """``kind`` is worded for people elsewhere; ``unit_id`` 0: the whole line. ``share`` is within 0 to 1."""

    kind: str
    unit_id: int
    share: float
    detail: str = ""


@dataclass(frozen=True)
class Exchange:
    """One question to a unit, and everything that came; ``answer_bytes`` is how long its answer should be."""

    protocol: ProbeProtocol
    unit_id: int
    sent: bytes
    heard: bytes
    first_s: float | None
    answer_bytes: int


@dataclass(frozen=True)
class Elsewhere:
    """Somebody who answers where the settings do not look: in another format, or at another unit."""

    unit_id: int
    format: Format
    transmission_mode: str


@dataclass(frozen=True)
class Evidence:
    """Everything that an examination of one line has brought.

    ``port_error`` is why the port could not be opened; ``latency_ms`` how long a USB adapter keeps bytes.
    """

    format: Format
    transmission_mode: str
    timeout_s: dict[int, float] = field(default_factory=dict)
    exchanges: Sequence[Exchange] = ()
    overheard: Overheard | None = None
    elsewhere: Sequence[Elsewhere] = ()
    port_error: str = ""
    latency_ms: int | None = None


@dataclass
class _Count:
    """How often something was seen with a unit."""

    asked: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str) -> None:
        self.seen[kind] = self.seen.get(kind, 0) + 1


def symptoms(evidence: Evidence) -> list[Symptom]:
    """Return what shows, the line's first; empty where all is well."""
    if evidence.port_error:
        busy = "lock" in evidence.port_error or "busy" in evidence.port_error.lower()
        return [Symptom("port_busy" if busy else "port_missing", 0, 1.0, evidence.port_error)]
    counts: dict[int, _Count] = {}
    for exchange in evidence.exchanges:
        count = counts.setdefault(exchange.unit_id, _Count())
        count.asked += 1
        for kind in set(_seen(exchange, evidence.timeout_s.get(exchange.unit_id, LATE_S))):
            count.add(kind)
    told = list(_of_line(evidence, counts))
    for unit_id, count in counts.items():
        told += _of_unit(evidence, unit_id, count)
    return told


def _seen(exchange: Exchange, timeout_s: float) -> Iterator[str]:
    """Yield what one exchange shows."""
    frames = exchange.protocol.taken_apart(exchange.sent, exchange.heard)
    if frames.echo:
        yield "echo"
    if frames.requests:
        yield "foreign_requests"
    if frames.answers:
        yield from _answered(exchange, frames, timeout_s)
    elif frames.others:
        yield from _others(exchange, frames.others)
    elif frames.rest:
        yield from _harmed(exchange, frames)
    else:
        yield "silent"


def _answered(exchange: Exchange, frames: Frames, timeout_s: float) -> Iterator[str]:
    refused = bool(frames.answers[0].pdu[0] & 0x80)
    if not refused and frames.answers[0].end - frames.answers[0].start != exchange.answer_bytes:
        yield "other_form"
        return
    yield "refused" if refused else "good"
    if exchange.first_s is not None and exchange.first_s > timeout_s:
        yield "late"
    if len(frames.answers) > 1:
        same = all(frame.pdu == frames.answers[0].pdu for frame in frames.answers)
        yield "answered_twice" if same else "two_answers"
    if frames.others:
        yield "other_frames"
    if frames.rest:
        rest = _around(exchange, frames)
        yield "floating" if len(rest) <= 3 and all(byte in FLOATING for byte in rest) else "garbage_around"


def _around(exchange: Exchange, frames: Frames) -> bytes:
    """Return the bytes beside the frames."""
    heard = exchange.heard.replace(exchange.sent, b"", 1) if frames.echo else exchange.heard
    for frame in frames.answers + frames.others:
        framing = getattr(exchange.protocol, "framing", None)
        if framing is not None:
            heard = heard.replace(framing.framed(frame.unit_id, frame.pdu), b"", 1)
    return heard


def _others(exchange: Exchange, others: Sequence[Frame]) -> Iterator[str]:
    asked = exchange.unit_id
    if any(frame.unit_id != asked for frame in others):
        yield "other_unit"
    else:
        yield "other_form"


def _harmed(exchange: Exchange, frames: Frames) -> Iterator[str]:
    """Bytes without a sound frame: cut at one end, nothing but breaks, or harmed."""
    heard = exchange.heard.replace(exchange.sent, b"", 1) if frames.echo else exchange.heard
    if not any(heard):
        yield "breaks"
    elif exchange.protocol.name == "rtu" and _is_headless(exchange, heard):
        yield "head_lost"
    elif len(heard) < exchange.answer_bytes and _begins_well(exchange, heard):
        yield "tail_lost"
    else:
        yield "garbled"


def _begins_well(exchange: Exchange, heard: bytes) -> bool:
    """Say whether these are the first bytes of the hoped-for answer."""
    if exchange.protocol.name != "rtu":
        return heard.startswith(b":")
    head = exchange.sent[:2] + bytes([exchange.answer_bytes - 5 & 0xFF])
    return heard[:3] == head[: len(heard)] and len(heard) >= 2


def _is_headless(exchange: Exchange, heard: bytes) -> bool:
    """Say whether the checksum is right once the first bytes are put back that every answer begins with."""
    head = exchange.sent[:2] + bytes([exchange.answer_bytes - 5 & 0xFF])
    return any(
        len(heard) + lost == exchange.answer_bytes and crc16(head[:lost] + heard) == 0
        for lost in range(1, len(head) + 1)
    )


def _of_unit(evidence: Evidence, unit_id: int, count: _Count) -> Iterator[Symptom]:
    """Turn what was counted into symptoms."""
    answered = count.seen.get("good", 0) + count.seen.get("refused", 0)
    for kind, times in count.seen.items():
        share = times / count.asked
        match kind:
            case "good" | "echo" | "foreign_requests":
                pass
            case "refused":
                if not count.seen.get("good"):
                    yield Symptom("refuses", unit_id, share)
            case "silent":
                yield Symptom(
                    "silent" if not answered and share > OFTEN else "sometimes_silent", unit_id, share
                )
            case "garbled":
                yield Symptom("garbled" if share >= NEARLY_ALWAYS else "sometimes_garbled", unit_id, share)
            case _:
                yield Symptom(kind, unit_id, share)
    for found in evidence.elsewhere:
        if found.unit_id == unit_id and not answered:
            if found.transmission_mode != evidence.transmission_mode:
                yield Symptom(
                    "answers_in_other_mode", unit_id, 1.0, f"{found.transmission_mode} {found.format}"
                )
            elif found.format.baud != evidence.format.baud:
                yield Symptom("answers_at_other_baud", unit_id, 1.0, str(found.format))
            elif found.format.parity != evidence.format.parity:
                yield Symptom("answers_with_other_parity", unit_id, 1.0, str(found.format))


def _of_line(evidence: Evidence, counts: dict[int, _Count]) -> Iterator[Symptom]:
    told = evidence.overheard
    if told is not None:
        if told.asked:
            yield Symptom("foreign_requests", 0, 1.0, ", ".join(map(str, told.asked)))
        elif told.frames:
            yield Symptom("frames_unasked", 0, 1.0, ", ".join(map(str, told.answering)))
        elif told.breaks == told.bytes_heard:
            yield Symptom("breaks", 0, 1.0, str(told.bytes_heard))
        elif told.bytes_heard:
            yield Symptom("bytes_unasked", 0, 1.0, str(told.bytes_heard))
    asked = sum(count.asked for count in counts.values())
    for kind in ("echo", "foreign_requests"):
        if times := sum(count.seen.get(kind, 0) for count in counts.values()):
            yield Symptom(kind, 0, times / asked)
    harmed = [unit for unit, count in counts.items() if count.seen.get("garbled")]
    if len(harmed) > 1:
        yield Symptom("several_garbled", 0, len(harmed) / len(counts), ", ".join(map(str, harmed)))
    answers = [unit for unit, count in counts.items() if count.seen.get("good") or count.seen.get("refused")]
    if counts and not answers:
        yield Symptom("nobody_answers", 0, 1.0)
    strangers = {
        found.unit_id
        for found in evidence.elsewhere
        if found.format[:2] == evidence.format[:2] and found.unit_id not in counts
    }
    if strangers and len(answers) < len(counts):
        yield Symptom("answers_at_other_unit", 0, 1.0, ", ".join(map(str, sorted(strangers))))
    if evidence.latency_ms is not None and evidence.latency_ms > 1:
        yield Symptom("adapter_keeps_back", 0, 1.0, str(evidence.latency_ms))
