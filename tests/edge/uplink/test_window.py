"""The window of a lane over a model of a link: a rate, a delay, a queue, a centre that commits in groups."""

from collections import deque

import pytest

from edge.uplink.window import BYTES_MIN, Flight, Window

BATCH = 950


class Link:
    """Carries batches in order at a rate; the centre acknowledges all it has each ``group_s``."""

    def __init__(
        self, rate: float, round_trip_s: float, group_s: float = 0.02, bytes_max: int = 1 << 20
    ) -> None:
        """Bytes a second; the queue is as long as it has to be."""
        self.rate, self.round_trip_s, self.group_s = rate, round_trip_s, group_s
        self.window = Window(bytes_max, 1.0)
        self.now_s, self._free_s, self.sequence, self.carried = 0.0, 0.0, 0, 0
        self._flights: deque[tuple[float, Flight]] = deque()

    @property
    def queue_s(self) -> float:
        """What a new batch would wait before it leaves."""
        return max(0.0, self._free_s - self.now_s)

    def run(self, for_s: float) -> list[float]:
        """Send all that the window allows; return the queue at each step."""
        queues, until_s = [], self.now_s + for_s
        while self.now_s < until_s:
            while self.window.room:
                self.sequence += 1
                self._free_s = max(self._free_s, self.now_s) + BATCH / self.rate
                group = -(-self._free_s // self.group_s) * self.group_s
                flight = self.window.sent(self.sequence, BATCH, self.now_s)
                self._flights.append((group + self.round_trip_s, flight))
            due_s = self._flights[0][0]
            self.now_s = due_s
            while self._flights and self._flights[0][0] == due_s:
                _, flight = self._flights.popleft()
                newest = not self._flights or self._flights[0][0] != due_s
                self.window.delivered(flight, due_s, newest=newest)
                self.carried += BATCH
            queues.append(self.queue_s)
        return queues


@pytest.mark.parametrize("group_s", [0.005, 0.1, 0.4])
@pytest.mark.parametrize("rate", [3_000, 125_000, 900_000])
@pytest.mark.parametrize("round_trip_s", [0.002, 0.1, 0.5, 2.0])
def test_a_link_is_filled_and_its_queue_stays_short(rate: float, round_trip_s: float, group_s: float) -> None:
    """Beside the time in which it is found out, 95 % are used, and nothing waits twice as long as meant."""
    link = Link(rate, round_trip_s, group_s, bytes_max=1 << 23)
    link.run(30)
    before, since_s = link.carried, link.now_s
    queues = link.run(240)
    assert link.carried - before >= 0.95 * rate * (link.now_s - since_s)
    assert max(queues) <= 2 + BYTES_MIN / rate


def test_a_fast_link_is_filled_within_a_second() -> None:
    """On loopback, the window is no matter after few round trips."""
    link = Link(5_000_000, 0.002)
    link.run(1)
    assert link.window.size == 1 << 20


def test_a_link_that_slows_down_gets_a_smaller_window() -> None:
    """A tenth of the rate: the queue that this makes goes away, and does not come again."""
    link = Link(125_000, 0.5)
    link.run(30)
    link.rate /= 10
    link.run(60)
    assert max(link.run(120)) <= 2.2


def test_a_longer_way_round_is_learnt() -> None:
    """What was the shortest round trip is not for ever, and a queue does not pass for a longer way."""
    link = Link(125_000, 0.1)
    link.run(30)
    link.round_trip_s = 2.0
    link.run(120)
    before, since_s = link.carried, link.now_s
    queues = link.run(600)
    assert link.carried - before >= 0.93 * link.rate * (link.now_s - since_s)
    assert max(queues) <= 2.2


def test_without_a_delay_the_window_is_what_it_may_be() -> None:
    """0 turns it off."""
    window = Window(100_000, 0)
    assert window.size == 100_000
    flight = window.sent(1, 1000, 0)
    window.delivered(flight, 10)
    assert window.size == 100_000


def test_a_batch_larger_than_the_window_is_sent_alone() -> None:
    """Nothing waits for ever."""
    window = Window(1 << 20, 1.0)
    window.sent(1, 200_000, 0)
    assert not window.room
    window.lost()
    assert window.room
