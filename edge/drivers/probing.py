"""What each protocol sends to find out who is on a line, and what the bytes that come back mean. Pure.

A probe reads, always: nothing is written, and no function that has an effect is asked for. Whoever answers
is found, with whatever answer: a refusal (a Modbus exception) shows a device as well as a value does. A frame
names its unit, so an answer that comes late, while the next unit is asked already, is not lost.

A later protocol joins by an entry in ``PROTOCOLS``.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from device_profiles.schema import Profile
from edge.drivers.modbus_pdu import READ_FUNCTIONS
from edge.lines.ascii_mode import Ascii
from edge.lines.formats import Format, Parity
from edge.lines.framing import Frame, Framing, is_request
from edge.lines.rtu import Rtu

UNITS = range(1, 248)
FIRST_READ = (3, 0, 1)
"""Function, address and words that nearly every device answers, if only by a refusal."""
ANY_UNIT_SHARE = 0.05
FIRST_SHARE, OTHERS_SHARE = 0.9, 0.08
"""How many devices answer that; and how many answer nothing but what their own profile begins with."""


class Kind(NamedTuple):
    """One way of asking a unit: by what it reads. ``factory`` are the units and formats that it belongs to.

    ``share`` is which part of those that stayed silent so far is hoped to answer it: a prior, no measurement.
    """

    name: str
    function: int
    address: int
    words: int
    share: float
    factory: tuple[tuple[Format, int], ...] = ()
    any_unit: bool = False
    """Unit 0 is asked, and some devices answer all the same: their frame names their unit."""


class Frames(NamedTuple):
    """What has come, taken apart.

    ``answers`` are sound frames that answer what was asked, ``others`` sound frames that do not, ``requests``
    those that a master sends, our own aside. ``echo``: our own frame came back. ``rest`` is how many bytes
    belong to no sound frame.
    """

    answers: tuple[Frame, ...]
    others: tuple[Frame, ...]
    requests: tuple[Frame, ...]
    echo: bool
    rest: int


class ProbeProtocol(Protocol):
    """What a scan needs to know of a protocol."""

    @property
    def name(self) -> str:
        """Name in results; also the transmission mode of the settings."""

    @property
    def formats(self) -> Sequence[tuple[Format, float]]:
        """The formats it is met in, and how likely each is: they add up to the protocol's own share."""

    @property
    def units(self) -> Sequence[int]:
        """Every unit id there may be."""

    def kinds(self, profiles: Iterable[Profile]) -> Sequence[Kind]:
        """Return the ways of asking, the most telling first."""

    def probe(self, kind: Kind, unit_id: int) -> bytes:
        """Return the bytes that ask a unit."""

    def taken_apart(self, own: bytes, data: bytes) -> Frames:
        """Say what of the bytes that have come is what; ``own`` was sent, b"" where nothing was."""

    def is_whole(self, own: bytes, data: bytes) -> bool:
        """Say whether what has come is the whole answer, so that waiting for silence is of no use."""


BAUDS = {9600: 0.50, 4800: 0.13, 19200: 0.10, 115200: 0.08, 2400: 0.06, 38400: 0.05, 57600: 0.05, 1200: 0.03}
"""How likely a line runs at this speed: what the makers of devices for these cabinets ship, most of all."""
PARITIES: dict[Parity, float] = {"N": 0.79, "E": 0.16, "O": 0.05}
RTU_SHARE, ASCII_SHARE = 0.97, 0.03


def _rtu_formats() -> list[tuple[Format, float]]:
    """A receiver looks at one stop bit only: what is sent with two is heard by those set to one as well."""
    told: list[tuple[Format, float]] = []
    for baud, likely in BAUDS.items():
        for parity, share in PARITIES.items():
            told.append((_swept(Format(baud, parity)), likely * share * RTU_SHARE))
    return told


def _swept(given: Format) -> Format:
    """Return the format that finds devices of this one."""
    return given._replace(stop_bits=2) if given.parity == "N" else given


def _ascii_formats() -> list[tuple[Format, float]]:
    told: list[tuple[Format, float]] = []
    for baud, likely in BAUDS.items():
        told.append((Format(baud, "E", 1, 7), likely * 0.6 * ASCII_SHARE))
        told.append((Format(baud, "N", 2, 8), likely * 0.4 * ASCII_SHARE))
    return told


@dataclass(frozen=True)
class ModbusProbing:
    """Modbus on a serial line, in one of its two transmission modes."""

    name: str
    framing: Framing
    formats: Sequence[tuple[Format, float]]
    units: Sequence[int] = UNITS

    def kinds(self, profiles: Iterable[Profile]) -> Sequence[Kind]:
        """See ProbeProtocol: register 0, then the first point of each profile, for who knows nothing else."""
        profiles = list(profiles)
        first = Kind("register 0", *FIRST_READ, FIRST_SHARE)
        known: dict[tuple[int, int, int], list[tuple[Format, int]]] = {}
        for profile in profiles:
            point = min(profile.points, key=lambda each: each.address)
            factory = known.setdefault((READ_FUNCTIONS[point.table], point.address, point.words), [])
            if entry := profile.serial:
                factory.append((_swept(Format(entry.baud, entry.parity, entry.stop_bits)), entry.unit_id))
        first = first._replace(factory=tuple(known.pop(FIRST_READ, ())))
        share = OTHERS_SHARE / max(1, len(known))
        anybody = dict.fromkeys(
            (READ_FUNCTIONS[signature.table], signature.address, signature.words)
            for profile in profiles
            if profile.identification and profile.identification.answers_unit_0
            for signature in profile.identification.registers[:1]
        )
        return (
            first,
            *(
                Kind(f"unit 0, address {read[1]:#06x}", *read, ANY_UNIT_SHARE, any_unit=True)
                for read in anybody
            ),
            *(
                Kind(f"function {read[0]}, address {read[1]:#06x}", *read, share, tuple(factory))
                for read, factory in sorted(known.items())
            ),
        )

    def probe(self, kind: Kind, unit_id: int) -> bytes:
        """See ProbeProtocol."""
        return self.framing.framed(unit_id, struct.pack(">BHH", kind.function, kind.address, kind.words))

    def taken_apart(self, own: bytes, data: bytes) -> Frames:
        """See ProbeProtocol."""
        echo = bool(own) and own in data
        if echo:
            data = data.replace(own, b"", 1)
        asked = next(iter(self.framing.frames(own)), None) if own else None
        answers, others, requests, sound = [], [], [], 0
        for frame in self.framing.frames(data):
            sound += frame.end - frame.start
            if asked is not None and _answers(asked, frame):
                answers.append(frame)
            elif is_request(frame.pdu):
                requests.append(frame)
            else:
                others.append(frame)
        return Frames(tuple(answers), tuple(others), tuple(requests), echo, len(data) - sound)

    def is_whole(self, own: bytes, data: bytes) -> bool:
        """See ProbeProtocol."""
        frames = self.taken_apart(own, data)
        return bool(frames.answers) and not frames.rest


def _answers(asked: Frame, frame: Frame) -> bool:
    """Say whether a frame answers a read of one register or bit."""
    if frame.unit_id != asked.unit_id or frame.pdu[0] & 0x7F != asked.pdu[0]:
        return False
    if frame.pdu[0] & 0x80:
        return True
    return not is_request(frame.pdu) and len(frame.pdu) == 2 + frame.pdu[1]


RTU = ModbusProbing("rtu", Rtu(), tuple(_rtu_formats()))
ASCII = ModbusProbing("ascii", Ascii(), tuple(_ascii_formats()))
PROTOCOLS: tuple[ProbeProtocol, ...] = (RTU, ASCII)
