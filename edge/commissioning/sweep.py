"""In which order a line is asked for devices, and what the answers mean for the order. Pure: a state machine.

What may be asked is format x unit x way of asking x patience. Asked next is always what finds most per
second: the chance that a device answers (``prior.py``), divided by the time that the question takes. That is
the best order where answers are independent, and each find changes the chances: of its format, of the units
beside it. It ends where another minute is not worth it (``Effort``).

How short a time-out may be: what a device needs to see the frame's end (3.5 characters), its turnaround, and
a character. A first round waits for quick devices only. Whoever is slower is not lost: the frame of a late
answer names its unit, and bytes that are no frame make the last few units be asked again, patiently, first
in this format, then in the other parities of this speed.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from device_profiles.schema import Profile
from edge.commissioning import prior
from edge.commissioning.finds import Ask, Effort, FoundDevice, Heard, Unclear
from edge.drivers.probing import PROTOCOLS, Frames, Kind, ProbeProtocol
from edge.lines.formats import Format
from edge.lines.line import BROADCAST

STAY = 0.6
"""Another format is chosen where this one is worth less than so much of it: setting a port takes time."""
LATE_UNITS = 3
"""After bytes that are no frame so many of the last units are asked again."""
NOISY_OF_LAST, NOISE_WINDOW = 10, 24
"""Where so many of so many questions brought bytes that are no frame, it is noise: nobody is asked again."""
PATIENT_S = 0.35
RETRIES_MAX = 3
"""So often a unit is asked again in one format, whatever comes."""
OWN_KEPT = 8
FACTORY_SHARE, FACTORY_UNIT_SHARE = 0.3, 0.1
"""How likely a profile's own first register is answered at its factory unit and format; and at the unit
alone, since people set the speed and leave the address."""
AGAIN_SHARE = 0.3
"""How likely a device answers a question by which another one was found: they come in numbers."""
UNCLEAR_MAX = 64


@dataclass
class _Arm:
    """A format, a way of asking and a patience, and which units were asked so already."""

    protocol: ProbeProtocol
    format: Format
    kind: Kind
    patience_s: float
    share: float
    """Of kind and patience; the format's own share changes with what is found."""
    of_patience: float
    units: Sequence[int] | None = None
    """Only these; None: all, in the common order."""
    at: int = 0
    asked: set[int] = field(default_factory=set)


class Sweep:
    """``next`` says what to ask, ``took`` is told what came of it, until nothing is left that is worth it."""

    def __init__(
        self,
        profiles: Iterable[Profile],
        *,
        effort: Effort = Effort.USUAL,
        protocols: Sequence[ProbeProtocol] = PROTOCOLS,
        formats: Sequence[Format] | None = None,
        units: Sequence[int] | None = None,
        known: Iterable[tuple[Format, int]] = (),
    ) -> None:
        """``formats`` and ``units`` bound what is asked; ``known`` are units that need not be asked."""
        self.effort = effort
        self.found: list[FoundDevice] = []
        self.unclear: dict[tuple[Format, int], Unclear] = {}
        self.asked = self.echoes = self.noisy = 0
        self.foreign: tuple[int, ...] = ()
        """Units that another master asks: the scan is over when it is heard."""
        self.minimum_s = 0.0
        """What the questions so far need at least: their bytes, the answers', and the waits in vain."""
        profiles = list(profiles)
        self._formats = None if formats is None else {_plain(each) for each in formats}
        self._units = None if units is None else frozenset(units)
        self._known = {(_plain(entry), unit) for entry, unit in known}
        self._counts: dict[tuple[str, Format], int] = {}
        self._found_by: set[tuple[Format, str]] = set()
        self._hints: dict[tuple[str, Format], int] = {}
        """Where somebody is, though nobody knows at which unit."""
        self._again: deque[Ask] = deque()
        self._retried: dict[tuple[Format, int], int] = {}
        self._own: deque[tuple[int, bytes]] = deque(maxlen=OWN_KEPT)
        self._bytes: dict[int, int] = {}
        self._noise: deque[bool] = deque(maxlen=NOISE_WINDOW)
        self._last: deque[Ask] = deque(maxlen=LATE_UNITS)
        self._current: _Arm | None = None
        weights: dict[int, float] = {}
        for protocol in protocols:
            weights |= prior.unit_weights(protocol.units)
        self._weights = weights
        self._order = self._by_weight()
        self._priors = {
            (protocol.name, entry): likely for protocol in protocols for entry, likely in protocol.formats
        }
        self._arms = [arm for protocol in protocols for arm in self._made(protocol, profiles)]
        self._heap: list[tuple[float, int]] = []
        self._rank_all()

    def next(self) -> Ask | None:
        """Return what to ask next; None: the scan is over."""
        if self.foreign:
            return None
        while self._again:
            ask = self._again.popleft()
            if not self._is_found(ask.format, ask.unit_id) or ask.kind.name == _SETTLE:
                return ask
        arm = self._chosen()
        if arm is None:
            return None
        unit = self._unit_of(arm)
        assert unit is not None  # noqa: S101 - chosen arms have one
        arm.asked.add(unit)
        data = arm.protocol.probe(arm.kind, unit)
        return Ask(arm.protocol, arm.format, arm.kind, unit, arm.patience_s, data)

    def took(self, ask: Ask, heard: Heard, now_s: float) -> FoundDevice | None:
        """Take what came of a question; ``now_s`` is how long the scan takes by now. Return who is new."""
        self.asked += 1
        self._count(ask, heard)
        frames = ask.protocol.taken_apart(ask.data, heard.data)
        self.echoes += frames.echo
        self._noise.append(frames.rest > 0 and not frames.answers)
        foreign = {frame.unit_id for frame in frames.requests} if self._strangers(ask, frames) else set()
        if foreign:
            self.foreign = tuple(sorted(foreign))
            return None
        if ask.kind.name == _SETTLE:
            self._settle(ask, stands=bool(frames.answers))
            return None
        found = None
        if frames.answers and ask.unit_id != BROADCAST and (ask.again or not frames.rest):
            found = self._note(ask, heard, frames, now_s)
        elif frames.answers or frames.others or frames.rest:
            self._heed(ask, frames)
        if not ask.again and ask.unit_id != BROADCAST:
            self._last.append(ask)
        return found

    def _strangers(self, ask: Ask, frames: Frames) -> bool:
        """Say whether a request came that none of our last ones is: an adapter may hand those back late."""
        self._own.extend((own.unit_id, own.pdu) for own in ask.protocol.taken_apart(b"", ask.data).requests)
        return any((frame.unit_id, frame.pdu) not in self._own for frame in frames.requests)

    @property
    def rest_s(self) -> float:
        """How long what is worth it takes yet, about."""
        total = 0.0
        for arm in self._arms:
            cost_s = self._cost_s(arm)
            share = self._arm_share(arm)
            for unit in arm.units if arm.units is not None else self._order:
                if unit in arm.asked or self._is_found(arm.format, unit):
                    continue
                if share * self._weight(unit) / cost_s <= self.effort.value:
                    break
                total += cost_s
        return total

    def _made(self, protocol: ProbeProtocol, profiles: list[Profile]) -> Iterator[_Arm]:
        kinds = protocol.kinds(profiles)
        asked: set[int]
        for entry, _ in protocol.formats:
            if self._formats is not None and _plain(entry) not in self._formats:
                continue
            for kind in kinds:
                if kind.any_unit:
                    yield _Arm(protocol, entry, kind, PATIENT_S, kind.share, 1.0, (BROADCAST,))
                    continue
                for patience_s, share in prior.PATIENCES_S:
                    asked = set()
                    yield _Arm(protocol, entry, kind, patience_s, kind.share * share, share, asked=asked)
                    for here, least in ((True, FACTORY_SHARE), (False, FACTORY_UNIT_SHARE)):
                        units = {unit for at, unit in kind.factory if (at == entry) is here}
                        if units:  # as its maker ships it, it is likelier than others to be here
                            boosted = max(kind.share, least) * share
                            yield _Arm(
                                protocol, entry, kind, patience_s, boosted, share, sorted(units), asked=asked
                            )

    def _chosen(self) -> _Arm | None:
        """Return the arm that is worth most, or nearly so where that saves setting the port."""
        while self._heap:
            rank, index = self._heap[0]
            arm = self._arms[index]
            worth = self._worth(arm)
            if worth is None or -worth > rank + 1e-15:
                heapq.heappop(self._heap)
                if worth is not None:
                    heapq.heappush(self._heap, (-worth, index))
                continue
            if worth <= self.effort.value:
                return None
            stay = self._current
            if stay is not None and stay.format != arm.format and (self._worth(stay) or 0.0) >= STAY * worth:
                return stay
            self._current = arm
            return arm
        return None

    def _rank_all(self) -> None:
        self._heap = [
            (-worth, index) for index, arm in enumerate(self._arms) if (worth := self._worth(arm)) is not None
        ]
        heapq.heapify(self._heap)

    def _worth(self, arm: _Arm) -> float | None:
        """Return expected devices per second of the arm's next unit; None where it has none left."""
        unit = self._unit_of(arm)
        return None if unit is None else self._arm_share(arm) * self._weight(unit) / self._cost_s(arm)

    def _arm_share(self, arm: _Arm) -> float:
        key = (arm.protocol.name, arm.format)
        here = self._counts.get(key, 0) + self._hints.get(key, 0)
        found = len(self.found) + sum(self._hints.values())
        met = len(self._counts.keys() | self._hints.keys())
        share = prior.format_share(self._priors[key], here, found, met)
        again = AGAIN_SHARE * arm.of_patience if (arm.format, arm.kind.name) in self._found_by else 0.0
        return prior.DEVICES_EXPECTED * share * max(arm.share, again)

    def _weight(self, unit: int) -> float:
        return self._weights.get(unit, 1.0)  # unit 0 stands for all

    def _unit_of(self, arm: _Arm) -> int | None:
        order = self._order if arm.units is None else arm.units
        while arm.at < len(order):
            unit = order[arm.at]
            bounded = self._units is not None and unit not in self._units and unit != BROADCAST
            if not bounded and unit not in arm.asked and not self._is_found(arm.format, unit):
                return unit
            arm.at += 1
        return None

    def _cost_s(self, arm: _Arm) -> float:
        length = self._bytes.get(id(arm.protocol))
        if length is None:
            length = self._bytes[id(arm.protocol)] = len(arm.protocol.probe(arm.kind, 1))
        wire_ns = (length + 1) * arm.format.character_ns + arm.format.silence_ns
        return wire_ns / 1e9 + arm.patience_s

    def _is_found(self, entry: Format, unit: int) -> bool:
        return (_plain(entry), unit) in self._known

    def _count(self, ask: Ask, heard: Heard) -> None:
        """What it took at least: the silence before a request is within the wait for an answer in vain."""
        wire_ns = (len(ask.data) + len(heard.data)) * ask.format.character_ns
        if heard.first_s is None:
            self.minimum_s += wire_ns / 1e9 + ask.patience_s
        else:
            self.minimum_s += (wire_ns + ask.format.silence_ns) / 1e9 + max(0.0, heard.first_s)

    def _note(self, ask: Ask, heard: Heard, frames: Frames, now_s: float) -> FoundDevice | None:
        if self._is_found(ask.format, ask.unit_id):
            return None
        entry = _plain(ask.format)
        refused = bool(frames.answers[0].pdu[0] & 0x80)
        found = FoundDevice(
            ask.unit_id,
            ask.protocol.name,
            entry.baud,
            entry.parity,
            entry.stop_bits,
            entry.data_bits,
            "refusal" if refused else "value",
            ask.kind.name,
            heard.first_s or 0.0,
            now_s,
        )
        self.found.append(found)
        self._known.add((entry, ask.unit_id))
        self.unclear.pop((entry, ask.unit_id), None)
        key = (ask.protocol.name, ask.format)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._found_by.add((ask.format, ask.kind.name))
        self._weights = prior.beside(self._weights, ask.unit_id)
        self._order = self._by_weight()
        for arm in self._arms:
            arm.at = 0
        self._rank_all()
        if entry != ask.format:  # found with two stop bits, as nearly all are that have one
            settle = ask.kind._replace(name=_SETTLE)
            patience_s = max(PATIENT_S, 2 * (heard.first_s or 0.0))
            self._again.append(ask._replace(format=entry, kind=settle, patience_s=patience_s, again=True))
        return found

    def _settle(self, ask: Ask, *, stands: bool) -> None:
        """Whether one stop bit does: whoever is not heard with it needs two."""
        if stands:
            return
        self.found = [
            msgspec.structs.replace(each, stop_bits=2)
            if (each.unit_id, each.format) == (ask.unit_id, ask.format)
            else each
            for each in self.found
        ]

    def _heed(self, ask: Ask, frames: Frames) -> None:
        """Bytes came that are no answer: somebody is late, or speaks in another format, or it is noise."""
        self.noisy += frames.rest > 0
        if sum(self._noise) >= NOISY_OF_LAST:
            return
        entry = _plain(ask.format)
        late = [frame.unit_id for frame in frames.others if frame.unit_id in self._weights]
        for unit in (*late, *([ask.unit_id] if late and ask.unit_id != BROADCAST else [])):
            self._ask_again(ask, ask.format, unit)  # what was late may have fallen on what was asked then
        if ask.again:
            if len(self.unclear) < UNCLEAR_MAX and frames.rest:
                told = Unclear(ask.unit_id, str(entry), frames.rest)
                self.unclear.setdefault((entry, ask.unit_id), told)
            return
        if ask.unit_id == BROADCAST:
            if frames.rest:  # several answered at once: they are there, in this format
                key = (ask.protocol.name, ask.format)
                self._hints[key] = self._hints.get(key, 0) + 1
                self._rank_all()
            return
        if frames.answers or frames.rest:
            for unit in dict.fromkeys(
                [ask.unit_id, *(each.unit_id for each in self._last if each.format == ask.format)]
            ):
                self._ask_again(ask, ask.format, unit)
            for other, _ in ask.protocol.formats:
                if other.baud == ask.format.baud and other != ask.format:
                    self._ask_again(ask, other, ask.unit_id)

    def _ask_again(self, ask: Ask, entry: Format, unit: int) -> None:
        if self._is_found(entry, unit) or (self._formats is not None and _plain(entry) not in self._formats):
            return
        if self._units is not None and unit not in self._units:
            return
        retried = self._retried.get((entry, unit), 0)
        if retried >= RETRIES_MAX:
            return
        self._retried[entry, unit] = retried + 1
        data = ask.protocol.probe(ask.kind, unit)
        fresh = Ask(ask.protocol, entry, ask.kind, unit, PATIENT_S, data, again=True)
        if fresh not in self._again:
            self._again.append(fresh)

    def _by_weight(self) -> list[int]:
        return sorted(self._weights, key=lambda unit: (-self._weights[unit], unit))


_SETTLE = "one stop bit"


def _plain(entry: Format) -> Format:
    """Return the format of a device that is found in this one: two stop bits reach those that have one."""
    return entry._replace(stop_bits=1)
