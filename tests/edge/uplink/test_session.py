"""The sending half of the acknowledgement against a model of everything that can happen between."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import CONTESTED, Ack, LaneRange
from contract.topics import Lane
from edge.uplink.session import QUIET_S, Limits, Session

EPOCH = "e" * 32
LIMITS = Limits(8, 100_000, 10, 120)


HELD: dict[str, LaneRange] = {Lane.EVENTS: LaneRange(1, 1), Lane.TELEMETRY: LaneRange(1, 9)}
"""What a buffer holds that nothing was delivered of."""


def session(first: int = 1, following: int = 1) -> Session:
    """Return a session over a telemetry lane that holds ``first`` to ``following - 1``."""
    ranges = {"events": LaneRange(1, 1), "telemetry": LaneRange(first, following)}
    return Session(EPOCH, ranges, LIMITS, Random(1))


def connected(first: int = 1, following: int = 1, upto: int = 0) -> Session:
    """Return a session whose hello has been answered with ``upto``."""
    subject = session(first, following)
    subject.connect()
    assert subject.hello_due(0)
    subject.acknowledged(Lane.EVENTS, Ack(1, EPOCH, 0), 0)
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, upto), 0)
    return subject


def send_all(subject: Session, now_s: float, size: int = 100) -> list[int]:
    """Send as long as the window allows; return the sequences."""
    sent = []
    while (due := subject.next_to_send()) is not None:
        subject.sent(*due, size, now_s)
        sent.append(due[1])
    return sent


def test_nothing_is_sent_before_the_centre_has_said_what_it_has() -> None:
    """A hello comes first on each connection, and again until it is answered."""
    subject = session(1, 5)
    assert subject.next_to_send() is None
    subject.connect()
    assert subject.hello_due(0)
    assert subject.next_to_send() is None
    assert not subject.hello_due(1)
    assert subject.hello_due(6)
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 2), 6)
    assert subject.next_to_send() == (Lane.TELEMETRY, 3)


def test_events_go_first() -> None:
    """The lane of alarms drains before telemetry, however much of that is waiting."""
    subject = connected(1, 50)
    subject.appended(Lane.EVENTS, 1)
    assert subject.next_to_send() == (Lane.EVENTS, 1)


def test_the_window_holds_in_batches_and_in_bytes() -> None:
    """No more than eight batches, and no more than 100,000 bytes, wait for the centre."""
    assert send_all(connected(1, 50), 0) == list(range(1, 9))
    assert send_all(connected(1, 50), 0, size=40_000) == [1, 2, 3]


def test_an_alarm_does_not_wait_for_telemetry_to_be_acknowledged() -> None:
    """The lane of events has a window of its own."""
    subject = connected(1, 50)
    assert send_all(subject, 0) == list(range(1, 9))
    subject.appended(Lane.EVENTS, 1)
    assert subject.next_to_send() == (Lane.EVENTS, 1)


def test_a_repeated_acknowledgement_means_a_hole_once() -> None:
    """The copies of one hole's acknowledgement send the rest again once, not once each."""
    subject = connected(1, 6)
    send_all(subject, 0)
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 2), 1)
    for _ in range(5):
        subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 2), 1)
    assert send_all(subject, 1) == [3, 4, 5]
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 2), 1.5)
    assert send_all(subject, 1.5) == []


def test_copies_of_what_was_sent_again_call_for_nothing_further() -> None:
    """On a long way round, each repetition would otherwise cause the next, for the whole of a backlog."""
    subject = connected(1, 30)
    assert send_all(subject, 0) == list(range(1, 9))
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 0), 2)  # 1 was lost
    assert send_all(subject, 2) == list(range(1, 9))
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 8), 4)
    assert send_all(subject, 4) == list(range(9, 17))
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 8), 6)  # for a copy of 2 to 8
    assert send_all(subject, 6) == []
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 9), 7)
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 9), 7)  # 10 was lost
    assert send_all(subject, 7) == list(range(10, 18))


def test_a_silent_centre_is_asked_with_one_batch() -> None:
    """A metered link does not carry the whole window again and again while the centre is away."""
    subject = connected(1, 30)
    send_all(subject, 0)
    subject.tick(20)
    assert send_all(subject, 20) == [1]
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 1), 21)
    assert send_all(subject, 21) == list(range(2, 10))


def test_an_unanswered_hello_is_said_ever_more_rarely() -> None:
    """The broker retains it; on a metered link five seconds are right for the beginning only."""
    subject = session(1, 5)
    subject.connect()
    said = [now_s for now_s in range(86_400) if subject.hello_due(now_s)]
    assert said[:4] == [0, 5, 15, 35]
    assert len(said) < 300
    subject.connect()
    assert subject.hello_due(86_400)


def test_silence_sends_again_ever_more_patiently() -> None:
    """10 s, then 20, then 40 …, each up to a fifth longer."""
    subject = connected(1, 3)
    times = []
    for tick in range(4000):
        subject.tick(tick / 10)
        if send_all(subject, tick / 10):
            times.append(tick / 10)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 10 <= waits[0] <= 12.2
    assert 20 <= waits[1] <= 24.2
    assert 40 <= waits[2] <= 48.2
    assert max(waits) <= 145


def test_a_centre_that_waits_for_what_is_gone_is_told_what_there_is() -> None:
    """An acknowledgement before the first held batch calls for a hello, and nothing is deleted."""
    subject = connected(10, 15, upto=9)
    assert not subject.hello_due(100)
    assert subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 4), 100) is None
    assert subject.hello_due(100)


def test_another_epochs_acknowledgement_is_not_ours() -> None:
    """It names batches of a former buffer."""
    subject = connected(1, 5)
    assert subject.acknowledged(Lane.TELEMETRY, Ack(1, "0" * 32, 3), 1) is None


def test_a_centre_that_has_more_than_we_ever_had_is_reported_for_the_digest_check() -> None:
    """A rolled-back buffer shows itself by this."""
    subject = connected(1, 5)
    assert subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 40), 1) == 40


class Model:
    """A gateway's session, a link that does anything, and a centre."""

    def __init__(self) -> None:
        """Begin connected, with three batches waiting."""
        self.subject = connected(1, 4)
        self.last, self.mark, self.deleted = 3, 0, 0
        self.batches: list[int] = []
        self.acks: list[int] = []
        self.now_s = 0.0

    def deliver(self, sequence: int) -> None:
        """A batch reaches the centre, which answers with its mark."""
        if sequence == self.mark + 1:
            self.mark = sequence
        self.acks.append(self.mark)

    def take(self, upto: int) -> None:
        """An acknowledgement reaches the gateway; it may delete only what the centre has."""
        result = self.subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, upto), self.now_s)
        if result is not None:
            assert result <= self.mark
            self.deleted = max(self.deleted, result)

    def send(self) -> None:
        """The gateway sends what its window allows."""
        while (due := self.subject.next_to_send()) is not None:
            assert self.deleted < due[1] <= self.last
            self.subject.sent(*due, 100, self.now_s)
            self.batches.append(due[1])

    def step(self, what: int, data: st.DataObject) -> None:
        """One thing happens."""
        match what:
            case 0:
                self.subject.connect()
                self.batches, self.acks = [], []
            case 1:
                self.subject.disconnect()
            case 2:
                self.last += 1
                self.subject.appended(Lane.TELEMETRY, self.last)
            case 3 if self.subject.hello_due(self.now_s):
                self.acks.append(self.mark)
            case 4:
                self.subject.tick(self.now_s)
            case 5 | 6:
                self.send()
            case 7 if self.batches:
                self.deliver(self.batches.pop(data.draw(st.integers(0, len(self.batches) - 1))))
            case 8 if self.acks:
                self.take(self.acks.pop(data.draw(st.integers(0, len(self.acks) - 1))))
            case 9 if self.batches:
                self.batches.append(self.batches[0])

    def settle(self) -> None:
        """The link behaves again for a while."""
        self.subject.connect()
        self.batches, self.acks = [], []
        for _ in range(200):
            self.now_s += 5
            self.subject.acknowledged(Lane.EVENTS, Ack(1, EPOCH, 0), self.now_s)
            if self.subject.hello_due(self.now_s):
                self.take(self.mark)
            self.subject.tick(self.now_s)
            self.send()
            for sequence in self.batches:
                self.deliver(sequence)
                self.take(self.acks.pop())
            self.batches = []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_link_does_everything_arrives_in_order_once(data: st.DataObject) -> None:
    """Loss, duplication and reordering of batches and acknowledgements, reconnections, new batches.

    The gateway never deletes what the centre does not have, and in the end the centre has everything.
    """
    model = Model()
    for what in data.draw(st.lists(st.integers(0, 9), min_size=10, max_size=80)):
        model.now_s += data.draw(st.sampled_from([0.0, 0.3, 2.0, 15.0]))
        model.step(what, data)
        assert model.deleted <= model.mark
    model.settle()
    assert model.mark == model.deleted == model.last
    assert model.subject.drained


@given(
    steps=st.lists(
        st.sampled_from(["append", "send", "acknowledge", "reconnect", "wait", "sleep"]), max_size=30
    ),
    seed=st.integers(0, 9),
)
def test_nothing_is_due_before_it_says_and_something_is_then(steps: list[str], seed: int) -> None:
    """Whoever sleeps as long as it says misses no hello and no going back, and never wakes in vain."""
    subject = Session(EPOCH, {"events": LaneRange(1, 1), "telemetry": LaneRange(1, 3)}, LIMITS, Random(seed))
    now_s, last = 0.0, 2

    def acts() -> bool:
        before = subject.resent
        subject.tick(now_s)
        return subject.hello_due(now_s) or subject.resent > before

    for step in steps:
        if step == "append":
            last += 1
            subject.appended(Lane.TELEMETRY, last)
        elif step == "send":
            send_all(subject, now_s)
        elif step == "acknowledge":
            subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, subject.lanes[Lane.TELEMETRY].sent), now_s)
        elif step == "reconnect":
            subject.connect()
        idle_s = subject.idle_s(now_s)
        if step == "wait" and idle_s < 1000:
            now_s += idle_s / 2
            assert idle_s == 0 or not acts()
        elif step == "sleep" and idle_s < 1000:
            now_s += idle_s + 0.01
            assert acts()


def test_in_doubt_nothing_is_sent_until_a_hello_is_answered_and_hellos_become_rare() -> None:
    """A forged contradiction costs a hello; as long as the answers contradict, each waits twice as long."""
    subject = connected(1, 9)
    assert send_all(subject, 0)
    subject.doubt(HELD, 0)
    assert subject.next_to_send() is None
    said = []
    for now_s in range(1, 2000):
        if subject.hello_due(now_s):
            said.append(now_s)
            subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 99, "d" * 32), now_s)
            subject.doubt(HELD, now_s)
    assert said[0] <= 5
    assert 8 <= len(said) <= 14
    subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 3, "d" * 32), 2000)
    assert subject.next_to_send() == (Lane.TELEMETRY, 4)


@pytest.mark.parametrize("answered", [True, False])
def test_what_a_forged_acknowledgement_said_was_delivered_is_not_believed(answered: bool) -> None:
    """The answer of the centre, which says less, is what counts: else nothing would be sent any more."""
    subject = connected(1, 9)
    if not answered:
        subject.doubt(HELD, 0)
    assert subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 8, "d" * 32), 1) == 8
    subject.doubt(HELD, 1)
    assert not subject.drained
    assert subject.hello_due(40)
    assert subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 3, "d" * 32), 41) == 3
    assert subject.next_to_send() == (Lane.TELEMETRY, 4)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.1, 25), min_size=1, max_size=200),
    st.booleans(),
    st.integers(0, 20),
)
def test_once_nothing_contradicts_any_more_a_hello_follows_within_half_a_minute(
    pauses_s: list[float], answered: bool, calm_s: int
) -> None:
    """However long it lasted, whether good answers came between or not; and meanwhile hellos become rare."""
    subject = connected(1, 9)
    now_s, ended_s, said = float(calm_s), 0.0, 0
    for pause_s in pauses_s:
        subject.doubt(HELD, now_s)
        said += subject.hello_due(now_s)
        if answered and said:
            answer_well(subject, now_s + 0.05)
        ended_s, now_s = now_s, now_s + pause_s
    subject.doubt(HELD, ended_s)
    due_s = next(at_s for at_s in range(300) if subject.hello_due(ended_s + at_s))
    assert due_s <= QUIET_S
    assert said <= 1 + max(4, ended_s / 15)
    answer_well(subject, ended_s + due_s)
    assert subject.next_to_send() == (Lane.TELEMETRY, 1)


def answer_well(subject: Session, now_s: float) -> None:
    """The centre answers a hello."""
    for lane in (Lane.EVENTS, Lane.TELEMETRY):
        subject.acknowledged(lane, Ack(1, EPOCH, 0), now_s)


def test_hellos_that_are_contradicted_each_time_become_rare_again() -> None:
    """A centre that contradicts, and says nothing else, is asked as seldom as one that is silent."""
    subject = connected(1, 9)
    subject.doubt(HELD, 0)
    said = []
    for now_s in range(1, 86_400):
        if subject.hello_due(now_s):
            said.append(now_s)
            subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, 99, "d" * 32), now_s)
            subject.doubt(HELD, now_s)
    assert len(said) < 86_400 / 290 + 12


@pytest.mark.parametrize("again_s", [40, 230, 1000])
def test_a_hello_is_said_no_later_than_its_answer_can_be_acted_on(again_s: int) -> None:
    """A contested buffer that may begin a new epoch only later does so then, not after a long pause."""
    subject, acted_s = connected(1, 9), 0
    for now_s in range(3600):  # contradictions that nobody asked for make hellos rare
        subject.doubt(HELD, now_s)
        subject.hello_due(now_s)
    may_s = now_s + again_s
    while not acted_s:
        now_s += 1
        if subject.hello_due(now_s):
            if now_s >= may_s:
                acted_s = now_s
            subject.doubt(HELD, now_s, may_s - now_s)
    assert acted_s <= may_s + 30


def test_after_a_calm_time_hellos_are_as_frequent_as_ever() -> None:
    """A contradiction of yesterday makes nobody wait today."""
    subject = connected(1, 9)
    for now_s in range(3600):
        subject.doubt(HELD, now_s)
        subject.hello_due(now_s)
    while not subject.hello_due(now_s):
        now_s += 1
    answer_well(subject, now_s)
    now_s += 3600
    subject.doubt(HELD, now_s)
    said = [at_s for at_s in range(now_s, now_s + 20) if subject.hello_due(at_s)]
    assert said == [now_s, now_s + 10]


def test_a_contested_epoch_is_contradicted_wherever_its_mark_stands() -> None:
    """The buffer is asked, which will not delete, even where the mark says nothing new."""
    subject = connected(5, 9, upto=4)
    for upto in (0, 4, 6, 99):
        assert subject.acknowledged(Lane.TELEMETRY, Ack(1, EPOCH, upto, CONTESTED), 1) == upto
