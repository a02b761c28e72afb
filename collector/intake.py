"""The transaction that takes a group of received messages: journal, marks, registry and refusals together.

Nothing here raises for what a message may hold; what cannot be used is counted by reason and dead-lettered.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from collector import dead_letters, journal, noting, registry
from collector.commands import states as command_states
from collector.desired import heard as desired_heard
from collector.group_marks import GroupMarks, LaneKey
from collector.journal import Arrived
from collector.marks import Decision, Mark, advanced, contested, decide, reconcile
from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.errors import ContractError
from contract.limits import VERSION
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState
from contract.stretches import Stretches
from contract.topics import Kind, Lane, Topic

GONE = "the gateway no longer holds what was never received"
PARTED = (
    "delivered to a former centre under numbers that another buffer used too; the gateway no longer holds it"
)
UNKNOWN_HERE = "delivered before this centre, or its backup, knew of it; the gateway no longer holds it"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came from the broker; one that it ``retained`` may have been said long ago."""

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement to send; a repetition is subject to the rate limit."""

    key: LaneKey
    ack: Ack
    repeats: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What a group is held against, from the settings."""

    district: str
    gateways_max: int
    epochs_per_gateway_max: int
    journal_bytes_max: int
    dead_letters_max: int


@dataclass(slots=True)
class Outcome:
    """What became of a group."""

    answers: list[Answer] = field(default_factory=list)
    batches: Counter[Decision] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    hellos: int = 0
    states: int = 0
    greeted: set[str] = field(default_factory=set)
    """Gateways that said hello."""
    added: set[str] = field(default_factory=set)
    """Gateways that were never heard before."""


class Refusal(Exception):  # noqa: N818 - no error of ours: a message that is turned away
    """A message that is not taken; ``reason`` is a short word for the counters."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.reason = reason


def take(connection: Connection, group: Iterable[Received], rules: Rules) -> Outcome:
    """Decide about every message in order and write what follows; runs inside one transaction.

    JournalFullError where the batches do not fit; then nothing is written.
    """
    return _Group(connection, rules).run(group)


class _Group:
    def __init__(self, connection: Connection, rules: Rules) -> None:
        self._connection, self._rules = connection, rules
        self._marks = GroupMarks(connection)
        self._asked: dict[LaneKey, bool] = {}  # lanes to answer; True: with something new
        self._beyond: dict[LaneKey, int] = {}  # the furthest batch behind a hole
        self._known: set[str] = set()
        self._heard: dict[str, int] = {}
        self._arrived: list[Arrived] = []
        self._outcome = Outcome()

    def run(self, group: Iterable[Received]) -> Outcome:
        for received in group:
            try:
                self._one(received)
            except Refusal as refusal:
                self._outcome.rejected[refusal.reason] += 1
                dead_letters.keep(
                    self._connection,
                    received_ms=received.received_ms,
                    topic=received.topic,
                    reason=refusal.reason,
                    detail=str(refusal),
                    message=received.payload,
                )
        self._write()
        for key, is_new in self._asked.items():
            mark = self._marks.of(key) or Mark(0)
            ack = Ack(VERSION, key.epoch, mark.upto, mark.digest)
            if is_new:
                self._outcome.answers.append(Answer(key, ack, repeats=False))
            # Only a repetition tells a gateway of a hole; the first of a mark tells of progress.
            if not is_new or self._beyond.get(key, 0) > mark.upto:
                self._outcome.answers.append(Answer(key, ack, repeats=True))
        return self._outcome

    def _one(self, received: Received) -> None:
        try:
            topic = topics.parse(received.topic)
        except ContractError as error:
            raise Refusal("topic", str(error)) from error
        if topic.district != self._rules.district:
            raise Refusal("district", f"district {topic.district!r} is not {self._rules.district!r}")
        match topic.kind:
            case Kind.UP:
                self._batch(topic, received)
            case Kind.HELLO if received.payload:  # an empty one only removes what the broker retained
                self._hello(topic, received)
            case Kind.STATE if received.payload:
                self._state(topic, received)
            case Kind.HELLO | Kind.STATE:
                self._outcome.states += 1
            case _:
                raise Refusal("kind", f"nobody sends {topic.kind} to a collector")

    def _batch(self, topic: Topic, received: Received) -> None:
        try:
            header = batches.read_header(received.payload)
        except ContractError as error:
            raise Refusal("malformed_batch", str(error)) from error
        if (header.district, header.gateway, header.lane) != (topic.district, topic.gateway, topic.name):
            told = f"{header.district}/{header.gateway}/{header.lane}"
            raise Refusal("topic_disagrees", f"the header says {told}")
        key = _key_of(header)
        mark = self._marks.of(key)
        decision = decide(mark, header.sequence)
        if mark and decision is Decision.HAVE and self._contradicts(key, mark, header, received.payload):
            decision = Decision.CONTESTED
            self._marks.move(key, contested(mark), received.received_ms)
        if decision is Decision.TAKE:
            self._admit(header.gateway, received)
            if mark is None:
                self._admit_epoch(key)
            self._arrived.append(Arrived(header, received.payload, received.received_ms))
            moved = advanced(mark, header.sequence, batches.digest(received.payload), header.boot_id)
            self._marks.move(key, moved, received.received_ms)
        elif decision is Decision.HOLE:
            self._beyond[key] = max(header.sequence, self._beyond.get(key, 0))
        self._asked[key] = self._asked.get(key, False) or decision is Decision.TAKE
        self._outcome.batches[decision] += 1

    def _contradicts(self, key: LaneKey, mark: Mark, header: Header, message: bytes) -> bool:
        """Say whether another batch stands under this number: another buffer wrote it, a copy of this one.

        A tombstone contradicts nothing: what it replaced had come before. Headers may differ: what is open in
        one is settled when the batch leaves, and a disk may not have taken that.
        """
        if header.content is Content.TOMBSTONE:
            return False
        of_group = (each.message for each in self._arrived if each.header.sequence == header.sequence)
        standing = next((each for each in of_group if _key_of(batches.read_header(each)) == key), None)
        standing = standing or journal.find(
            self._connection, key.gateway, key.epoch, key.lane, header.sequence
        )
        if standing is not None:
            return batches.packed_payload(standing) != batches.packed_payload(message)
        is_last = header.sequence == mark.upto
        return is_last and bool(mark.digest) and mark.digest != batches.digest(message)

    def _hello(self, topic: Topic, received: Received) -> None:
        try:
            hello = messages.decode(received.payload, Hello)
        except ContractError as error:
            raise Refusal("malformed_hello", str(error)) from error
        if (hello.district, hello.gateway) != (topic.district, topic.gateway):
            raise Refusal("topic_disagrees", f"the hello says {hello.district}/{hello.gateway}")
        ranges = [(epoch, Lane(name), held) for epoch in hello.epochs for name, held in _lanes(epoch)]
        if any(held.next < held.first for _, _, held in ranges):
            raise Refusal("malformed_hello", "a lane that ends before it begins")
        self._admit(hello.gateway, received)
        for epoch, lane, held in ranges:
            key = LaneKey(hello.gateway, epoch.epoch, lane)
            self._reconcile(key, held, epoch.stretches.get(lane, ()), hello, received.received_ms)
            if epoch is hello.epochs[0] or held.first < held.next:
                self._asked[key] = True
        is_old = received.retained and registry.said_ms(self._connection, hello) is not None
        registry.greeted(self._connection, hello, received.received_ms, retained=received.retained)
        desired_heard.greeted(self._connection, hello, received.received_ms, is_old=is_old)
        if not is_old:
            command_states.greeted(self._connection, hello.gateway, received.received_ms)
        self._outcome.greeted.add(hello.gateway)
        self._outcome.hellos += 1

    def _reconcile(
        self, key: LaneKey, held: LaneRange, stretches: Stretches, hello: Hello, received_ms: int
    ) -> None:
        mark = self._marks.of(key)
        if mark is None:
            listed = {epoch.epoch for epoch in hello.epochs}
            self._marks.make_room(key, listed, self._rules.epochs_per_gateway_max)
            mark = self._marks.recall(key, received_ms)
        moved, jump = reconcile(mark, held.first, stretches)
        if jump:
            # By a clock that was not set it was said in 1970.
            said_ms = received_ms if hello.clock is ClockState.UNSET else hello.sent_ms
            if jump.parted:
                reason, since_ms = PARTED, self._made_ms(key, jump.first - 1)
            else:
                reason = GONE if mark else UNKNOWN_HERE
                since_ms = (self._marks.stored_ms(key) or received_ms) if mark else 0
            noting.jump(self._connection, key, jump, reason, (min(since_ms, said_ms), said_ms), received_ms)
        if moved != mark:
            self._marks.move(key, moved, received_ms)

    def _made_ms(self, key: LaneKey, sequence: int) -> int:
        """Return when a batch was made by its gateway's clock; 0 where it is not in the journal."""
        found = journal.find(self._connection, key.gateway, key.epoch, key.lane, sequence)
        return batches.read_header(found).created_ms if found else 0

    def _state(self, topic: Topic, received: Received) -> None:
        try:
            state = messages.decode(received.payload, State)
        except ContractError as error:
            raise Refusal("malformed_state", str(error)) from error
        self._admit(topic.gateway, received, alive=state.online)
        registry.changed_state(
            self._connection, topic.gateway, state, received.received_ms, retained=received.retained
        )
        self._outcome.states += 1

    def _admit(self, gateway: str, received: Received, *, alive: bool = True) -> None:
        """Refuse a gateway that is one too many; note that this one was heard, if it was itself and now."""
        if gateway not in self._known and not registry.is_known(self._connection, gateway):
            if registry.count(self._connection) >= self._rules.gateways_max:
                raise Refusal("too_many_gateways", "raise gateways_max if this one belongs here")
            registry.add(self._connection, gateway, received.received_ms)
            self._outcome.added.add(gateway)
        self._known.add(gateway)
        if alive and not received.retained:
            self._heard[gateway] = received.received_ms

    def _admit_epoch(self, key: LaneKey) -> None:
        """Refuse a batch of an epoch that is one too many; a hello makes room for it."""
        standing = self._marks.epochs(key.gateway)
        if key.epoch not in standing and len(standing) >= self._rules.epochs_per_gateway_max:
            raise Refusal("too_many_epochs", "its gateway's hello did not name this epoch")

    def _write(self) -> None:
        if self._arrived:
            journal.append(self._connection, self._arrived, self._rules.journal_bytes_max)
        self._marks.write()
        for gateway, heard_ms in self._heard.items():
            registry.heard(self._connection, gateway, heard_ms)
        if self._outcome.rejected:
            dead_letters.trim(self._connection, self._rules.dead_letters_max)


def _lanes(epoch: EpochRange) -> list[tuple[str, LaneRange]]:
    """Return the lanes that this version knows."""
    return [(name, held) for name, held in epoch.lanes.items() if name in list(Lane)]


def _key_of(header: Header) -> LaneKey:
    return LaneKey(header.gateway, header.epoch, header.lane)
