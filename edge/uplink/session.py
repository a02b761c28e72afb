"""The sending half of the end-to-end acknowledgement. Pure: knows sequences, sizes and times, no I/O.

Per lane: everything up to ``acked`` is the centre's; up to ``sent`` is under way; up to ``last`` is on disk.
Nothing is deleted but on the centre's own acknowledgement (contract/messages.py, Ack).
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from contract.messages import CONTESTED, Ack, LaneRange
from contract.topics import Lane
from edge.uplink.window import Flight, Window

HELLO_INTERVAL_S = 5.0
HELLO_INTERVAL_MAX_S = 300.0
"""A centre that is away gets the hello that the broker retains; saying it often only costs air time."""
QUIET_S = 30.0
"""So long nothing contradicts: then a hello is said again, however rare they have become."""
GOOD_S, CALM_S = 5.0, 60.0
"""A good answer that stood so long was no accident; so long, and hellos are as frequent as ever."""
GO_BACK_INTERVAL_S = 1.0
"""A repeated acknowledgement means a hole; the copies of one hole within this time are one hole."""


@dataclass(frozen=True)
class Limits:
    """Window and patience, from the settings."""

    window_batches_max: int
    window_bytes_max: int
    acknowledge_timeout_s: float
    acknowledge_timeout_max_s: float
    window_delay_s: float = 0.0
    """The queue that a window may make on its link; 0: it is always ``window_bytes_max``."""


@dataclass
class LaneState:
    """Where one lane stands."""

    first: int
    last: int
    acked: int
    sent: int
    window: Window
    reconciled: bool = False
    """Whether the centre has answered this connection's hello."""
    under_way: deque[Flight] = field(default_factory=deque)
    """What was sent and not acknowledged."""
    heard_s: float = 0.0
    gone_back_s: float = float("-inf")
    gone_back_upto: int = -1
    """What was under way when it went back: copies of that cause repetitions which mean no further hole."""
    patience: int = 0
    """How often in a row the centre was silent for too long."""
    jitter: float = 1.0
    """Its limits are so much longer than the settings say, so that gateways do not go back in step."""


class Session:
    """The state of both lanes over connections; ask it what to send, tell it what happened."""

    def __init__(self, epoch: str, ranges: Mapping[str, LaneRange], limits: Limits, random: Random) -> None:
        """Take up what the buffer holds."""
        self._limits, self._random = limits, random
        self._hello_s = float("-inf")
        self._hello_wanted = False
        self._hello_interval_s = HELLO_INTERVAL_S
        self._contradicted_s, self._quiet_s = float("-inf"), QUIET_S
        self._reconciled_s = math.inf
        """Since when both lanes are, if they are."""
        self.connected = False
        self.resent = 0
        """Batches that were sent again."""
        self.restart(epoch, ranges)

    def restart(self, epoch: str, ranges: Mapping[str, LaneRange]) -> None:
        """Take up the buffer anew, after it was opened or renumbered."""
        self.epoch = epoch
        self.lanes: dict[Lane, LaneState] = {}
        for lane in Lane:
            held = ranges[lane]
            window = Window(self._limits.window_bytes_max, self._limits.window_delay_s)
            self.lanes[lane] = LaneState(held.first, held.next - 1, held.first - 1, held.first - 1, window)
        self._want_hello()

    def connect(self) -> None:
        """A connection is up: a hello comes first, and its answer says from where to send."""
        self.connected = True
        self._want_hello()
        self._hello_s = float("-inf")
        for lane in self.lanes.values():
            lane.reconciled = False
            lane.patience = 0
            lane.jitter = self._jitter()
            self._go_back(lane)
            lane.window.connect()

    def disconnect(self) -> None:
        """The connection is gone; whatever was under way is unknown."""
        self.connected = False

    def appended(self, lane: Lane, sequence: int) -> None:
        """A batch was committed."""
        self.lanes[lane].last = sequence

    def hello_due(self, now_s: float) -> bool:
        """Say whether to say hello now, and count it as said."""
        if not self.connected or not self._hello_waits or now_s < self._hello_at_s:
            return False
        if now_s - self._hello_s < self._hello_interval_s:  # it is quiet; should this be contradicted, too:
            self._quiet_s = min(2 * self._quiet_s, HELLO_INTERVAL_MAX_S)
        elif not self._hello_wanted:  # nobody has answered the last one
            self._hello_interval_s = min(2 * self._hello_interval_s, HELLO_INTERVAL_MAX_S)
        self._hello_wanted = False
        self._hello_s = now_s
        return True

    def next_to_send(self, may_send: Callable[[Lane], bool] = lambda _lane: True) -> tuple[Lane, int] | None:
        """Return the batch to send next, events first; None while its window is full or nothing waits.

        Each lane has a window of its own: an alarm does not wait for telemetry to be acknowledged.
        ``may_send`` is asked of a lane that could send, such as whether the month's budget has room.
        """
        if not self.connected:
            return None
        for name in (Lane.EVENTS, Lane.TELEMETRY):
            lane = self.lanes[name]
            probing = lane.patience > 0 and lane.under_way  # a silent centre is asked with one batch
            waiting = lane.reconciled and lane.sent < lane.last
            if waiting and not probing and self._has_room(lane) and may_send(name):
                return name, lane.sent + 1
        return None

    def leaves_at_once(self, lane_name: Lane) -> bool:
        """Say whether what is committed now would be the next to send, without a wait."""
        lane = self.lanes[lane_name]
        waits = not (self.connected and lane.reconciled) or lane.sent < lane.last or lane.patience > 0
        return not waits and self._has_room(lane)

    def sent(self, lane_name: Lane, sequence: int, size: int, now_s: float) -> None:
        """A batch was handed to the link."""
        lane = self.lanes[lane_name]
        if not lane.under_way:
            lane.heard_s = now_s
        lane.sent = sequence
        lane.under_way.append(lane.window.sent(sequence, size, now_s))

    def acknowledged(self, lane_name: Lane, ack: Ack, now_s: float) -> int | None:
        """Take an acknowledgement; return the sequence up to which the buffer may delete, or None.

        The caller checks the digest before it deletes; where that fails it restarts the session, or doubts.
        """
        lane = self.lanes[lane_name]
        if ack.epoch != self.epoch:
            return None
        lane.heard_s = now_s
        contested = ack.digest == CONTESTED
        if not lane.reconciled and not contested:
            return self._reconcile(lane, ack, now_s)
        if ack.upto + 1 < lane.first and not contested:
            self._want_hello()  # the centre waits for what is gone: tell it what there is
            return None
        if ack.upto > lane.last or contested:
            return ack.upto  # more than we ever had, or another's, too: the digest check will tell
        if ack.upto > lane.acked:
            self._advance(lane, ack.upto, now_s)
            lane.patience = 0
            return ack.upto
        is_new = ack.upto > lane.gone_back_upto and now_s - lane.gone_back_s >= GO_BACK_INTERVAL_S
        if ack.upto == lane.acked and lane.under_way and is_new:
            lane.gone_back_s = now_s
            self._go_back(lane)
        return None

    def doubt(self, ranges: Mapping[str, LaneRange], now_s: float, again_s: float = math.inf) -> None:
        """An acknowledgement contradicts the buffer: send nothing until a hello was answered well.

        What it said was delivered is believed no more: that begins where the buffer does (``ranges``).
        Hellos follow each other ever more slowly as long as the answers contradict, and soon again once
        nothing does. After ``again_s`` the answer, whichever it is, can be acted on: no later is one said.
        """
        good_s = now_s - self._reconciled_s
        if good_s >= GOOD_S:
            self._quiet_s = QUIET_S
        if good_s >= CALM_S:
            self._hello_interval_s = HELLO_INTERVAL_S
        self._contradicted_s, self._reconciled_s = now_s, math.inf
        self._quiet_s = min(self._quiet_s, max(QUIET_S, again_s))
        for name, lane in self.lanes.items():
            lane.reconciled = False
            lane.first, lane.acked = ranges[name].first, ranges[name].first - 1
            self._go_back(lane)

    def tick(self, now_s: float) -> None:
        """Go back where the centre has been silent for too long, ever more patiently."""
        for lane in self.lanes.values():
            if self.connected and lane.under_way and now_s - lane.heard_s > self._limit_s(lane):
                lane.patience = min(lane.patience + 1, 16)
                lane.jitter = self._jitter()
                lane.heard_s = now_s
                self._go_back(lane)

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is due by time alone; infinite where only events are waited for."""
        if not self.connected:
            return math.inf
        waits = [lane.heard_s + self._limit_s(lane) for lane in self.lanes.values() if lane.under_way]
        if self._hello_waits:
            waits.append(self._hello_at_s)
        return max(0.0, min(waits, default=math.inf) - now_s)

    def _limit_s(self, lane: LaneState) -> float:
        """Return how long the centre may be silent."""
        longest_s = self._limits.acknowledge_timeout_max_s
        return min(self._limits.acknowledge_timeout_s * 2.0**lane.patience, longest_s) * lane.jitter

    def _jitter(self) -> float:
        return 1 + 0.2 * self._random.random()

    @property
    def _hello_waits(self) -> bool:
        return self._hello_wanted or not all(lane.reconciled for lane in self.lanes.values())

    @property
    def _hello_at_s(self) -> float:
        """When one that waits is due."""
        at_s = self._hello_s + self._hello_interval_s
        if self._contradicted_s < self._hello_s:
            return at_s
        return min(at_s, self._contradicted_s + self._quiet_s)

    @property
    def drained(self) -> bool:
        """Say whether the centre has everything."""
        return all(lane.acked >= lane.last for lane in self.lanes.values())

    def _reconcile(self, lane: LaneState, ack: Ack, now_s: float) -> int | None:
        """The answer to the hello: the centre says what it has."""
        if ack.upto + 1 < lane.first:
            self._want_hello()  # an older answer; the one to this hello will jump
            return None
        lane.reconciled = True
        if all(each.reconciled for each in self.lanes.values()):
            self._reconciled_s = now_s
        if ack.upto > lane.last:
            return ack.upto  # more than we ever had: the digest check will tell
        self._advance(lane, max(ack.upto, lane.acked), now_s)
        self._go_back(lane)
        return ack.upto or None

    def _advance(self, lane: LaneState, upto: int, now_s: float) -> None:
        lane.acked = upto
        lane.first = max(lane.first, upto + 1)
        lane.sent = max(lane.sent, upto)
        while lane.under_way and lane.under_way[0].sequence <= upto:
            flight = lane.under_way.popleft()
            newest = not lane.under_way or lane.under_way[0].sequence > upto
            again = flight.sequence <= lane.gone_back_upto
            lane.window.delivered(flight, now_s, again=again, newest=newest)

    def _has_room(self, lane: LaneState) -> bool:
        return len(lane.under_way) < self._limits.window_batches_max and lane.window.room

    def _want_hello(self) -> None:
        self._hello_wanted = True
        self._hello_interval_s = HELLO_INTERVAL_S

    def _go_back(self, lane: LaneState) -> None:
        if lane.under_way:
            self.resent += len(lane.under_way)
            lane.gone_back_upto = lane.sent
        lane.under_way.clear()
        lane.window.lost()
        lane.sent = lane.acked
