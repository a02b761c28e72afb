"""How commands reach lamps: staggered against inrush, together where a line takes it, proved singly. Pure."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.clock import Moment
from edge.commands import Broadcast
from edge.lamps.events import Happened, Send
from edge.lamps.fixtures import GroupKey
from edge.lamps.lamp import Known, LampState, Phase
from edge.lamps.settings import Lighting
from edge.rules.effects import Switch, Write

UNDER_WAY_MAX = 8
"""So many commands at most does a line have at once; the rest waits here."""
AS_FOUND = "as found"

Tell = Callable[[LampState, Happened, Moment, str], None]


@dataclass(slots=True)
class _Order:
    """A command that waits: to one lamp, or to all of a group."""

    level: int
    lamps: list[LampState]
    group: GroupKey | None = None
    number: int = 0
    """Of the switch-ons, in the order in which they began to wait."""

    @property
    def line(self) -> str:
        return self.lamps[0].fixture.line


class Delivery:
    """The commands of a gateway's lamps on their way."""

    def __init__(self, lamps: Iterable[LampState], lighting: Lighting, known: Known, tell: Tell) -> None:
        """``tell`` hears of everything that happens to a command."""
        self._lighting, self._known, self._tell = lighting, known, tell
        self._of: dict[str, LampState] = {}
        self._groups: dict[GroupKey, list[LampState]] = {}
        for lamp in lamps:
            self._of[lamp.fixture.name] = lamp
            if lamp.fixture.group:
                self._groups.setdefault(lamp.fixture.group, []).append(lamp)
        self._ons: dict[str, deque[_Order]] = {}
        """Switch-ons by line; among lines the one that waits longest is next."""
        self._others: dict[str, deque[_Order]] = {}
        self._waiting = 0  # orders in both
        self._ons_queued = 0  # ever
        self._under_way: dict[str, int] = {}
        self._next_on_s = -math.inf

    @property
    def next_s(self) -> float:
        """When a lamp may be switched on next; infinite if none waits for that alone."""
        return math.inf if self._next_on() is None else self._next_on_s

    def due(self, lamps: Iterable[LampState], now: Moment) -> None:
        """These lamps are to have another level, or are asked to have it again."""
        grouped: dict[GroupKey, list[LampState]] = {}
        for lamp in lamps:
            lamp.attempts = 0
            if not lamp.heard or not lamp.reachable:
                self._waits(lamp, now)
                continue
            if lamp.phase is Phase.WAITING:
                self.heard(lamp, now)
                continue
            lamp.phase = Phase.QUEUED
            if lamp.fixture.group:
                grouped.setdefault(lamp.fixture.group, []).append(lamp)
            else:
                self._queue(_Order(lamp.level or 0, [lamp]))
        for group, members in grouped.items():
            if self._is_broadcast(group, members):
                self._queue(_Order(members[0].level or 0, members, group))
            else:
                for lamp in members:
                    self._queue(_Order(lamp.level or 0, [lamp]))

    def heard(self, lamp: LampState, now: Moment) -> None:
        """A lamp's device was read, or did not answer."""
        back, lamp.silent = lamp.silent and not lamp.error, bool(lamp.error)
        if lamp.level is None:
            return
        if not lamp.reachable:
            self._waits(lamp, now)
        elif lamp.phase is Phase.WAITING:
            lamp.attempts = 0
            if not self._known.complete(lamp.fixture):
                return  # what it gives is read in a moment
            if self._known.proved(lamp):
                self._now(lamp, Phase.PROVED, Happened.PROVED, now, AS_FOUND)
            else:
                self._again(lamp)
        elif lamp.phase in (Phase.SENT, Phase.UNPROVED):
            if self._known.proved(lamp):
                self._now(lamp, Phase.PROVED, Happened.PROVED, now)
            elif lamp.phase is Phase.UNPROVED:
                self._unproved(lamp, now)
        elif lamp.phase is Phase.PROVED:
            if self._known.taken(lamp) is False and now.s - lamp.sent_s >= self._lighting.proof_s:
                self._not_kept(lamp, now)
        elif lamp.phase is Phase.FAILED:
            self._failed(lamp, now, back=back)

    def sent(self, send: Send, error: str, now: Moment) -> None:
        """The line is done with a command; ``error`` is empty or says why it could not do it."""
        self._under_way[send.line] -= 1
        for name in send.lamps:
            lamp = self._of[name]
            if lamp.level != send.level:
                continue
            lamp.sent_s = now.s
            if lamp.phase is not Phase.SENT:
                continue  # its own read back has proved it
            lamp.phase = Phase.UNPROVED
            if error and isinstance(send.order, Broadcast):
                self._again(lamp)  # a line that takes no broadcast is served one by one

    def pump(self, now: Moment) -> list[Send]:
        """Return what may be given to the lines now."""
        sends: list[Send] = []
        if not self._waiting:
            return sends
        for line, queue in self._others.items():
            while queue and self._has_room(line):
                self._give(queue.popleft(), sends, now)
        while now.s >= self._next_on_s:
            given = 0
            while given < self._lighting.together_max and (first := self._next_on()):
                given += self._give(first.popleft(), sends, now)
            if given:
                self._next_on_s = now.s + self._lighting.stagger_s
            if given < self._lighting.together_max or self._lighting.stagger_s:
                break
        return sends

    def _give(self, order: _Order, sends: list[Send], now: Moment) -> bool:
        """Give an order to its line if it still stands; say whether it did."""
        self._waiting -= 1
        lamps = [lamp for lamp in order.lamps if lamp.phase is Phase.QUEUED and lamp.level == order.level]
        if order.group and not self._is_broadcast(order.group, lamps):
            for lamp in lamps:
                self._queue(_Order(order.level, [lamp]))
            return False
        if not lamps:
            return False
        for lamp in lamps:
            lamp.phase, lamp.attempts = Phase.SENT, lamp.attempts + 1
            self._tell(lamp, Happened.SENT, now, "broadcast" if order.group else "")
        self._under_way[order.line] = self._under_way.get(order.line, 0) + 1
        first = lamps[0].fixture
        what: Broadcast | Switch | Write
        if order.group:
            what = Broadcast(order.group.point, order.level, order.group.profile)
        elif first.is_switch:
            what = Switch(first.output, order.level > 0)
        else:
            what = Write(first.output, order.level)
        sends.append(Send(order.line, what, tuple(lamp.fixture.name for lamp in lamps), order.level))
        return True

    def _is_broadcast(self, group: GroupKey, members: list[LampState]) -> bool:
        """Say whether one request may serve these: all whom it reaches must be due the same."""
        least = self._lighting.broadcast_min
        if not least or len(members) < least:
            return False
        level = members[0].level
        return all(
            lamp.level == level and not lamp.held for lamp in self._groups[group] if lamp.powered
        ) and all(lamp.level == level for lamp in members)

    def _queue(self, order: _Order) -> None:
        self._waiting += 1
        if order.level and any(self._is_off(lamp) for lamp in order.lamps):
            self._ons_queued += 1
            order.number = self._ons_queued
            self._ons.setdefault(order.line, deque()).append(order)
        else:
            self._others.setdefault(order.line, deque()).append(order)

    def _next_on(self) -> deque[_Order] | None:
        """Return the queue whose first lamp is on next: a line that has no room holds up no other."""
        ready = [queue for line, queue in self._ons.items() if queue and self._has_room(line)]
        return min(ready, key=lambda queue: queue[0].number, default=None)

    def _is_off(self, lamp: LampState) -> bool:
        value = self._known.level(lamp.fixture)
        return not value

    def _again(self, lamp: LampState) -> None:
        lamp.phase = Phase.QUEUED
        self._queue(_Order(lamp.level or 0, [lamp]))

    def _unproved(self, lamp: LampState, now: Moment) -> None:
        """Send it again where it may not have arrived; its time is up where it has, or too often."""
        lighting = self._lighting
        wait_s = lighting.proof_s + lighting.retry_pause_s * max(0, lamp.attempts - 1)
        if now.s - lamp.sent_s < wait_s:
            return
        taken = self._known.taken(lamp)
        if not taken and lamp.attempts <= lighting.retries_max:
            self._again(lamp)
            return
        told = lamp.error or (
            "it took the command and does not follow" if taken else "it reads another level"
        )
        self._now(lamp, Phase.FAILED, Happened.FAILED, now, told)

    def _not_kept(self, lamp: LampState, now: Moment) -> None:
        """It was there and is no more: command it again, but not for ever in a short time."""
        if now.s - lamp.sent_s >= self._lighting.again_s:
            lamp.attempts = 0
        if lamp.attempts <= self._lighting.retries_max:
            self._again(lamp)
        else:
            self._now(lamp, Phase.FAILED, Happened.FAILED, now, "it does not keep the level")

    def _failed(self, lamp: LampState, now: Moment, *, back: bool) -> None:
        """Try again where it may do better now: it answers again, or much time has passed."""
        if self._known.proved(lamp):
            self._now(lamp, Phase.PROVED, Happened.PROVED, now)
        elif self._known.taken(lamp) is False and (back or now.s - lamp.sent_s >= self._lighting.again_s):
            lamp.attempts = 0
            self._again(lamp)

    def _waits(self, lamp: LampState, now: Moment) -> None:
        if lamp.phase is not Phase.WAITING:
            told = lamp.held or ("unpowered" if lamp.heard else "not heard yet")
            self._now(lamp, Phase.WAITING, Happened.WAITS, now, told)

    def _now(self, lamp: LampState, phase: Phase, what: Happened, now: Moment, told: str = "") -> None:
        lamp.phase = phase
        self._tell(lamp, what, now, told)

    def _has_room(self, line: str) -> bool:
        return self._under_way.get(line, 0) < UNDER_WAY_MAX
