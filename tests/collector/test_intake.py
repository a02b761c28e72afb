"""The transaction that takes messages: journal and marks together, refusals counted, nothing crashes."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from collector.database import Database
from collector.intake import PARTED, UNKNOWN_HERE, Outcome, Received
from collector.journal import JournalFullError, head, prune
from collector.marks import Decision
from collector.tables import dead_letters, devices, gaps, gateways, journal, marks
from contract import batches, messages, topics
from contract.messages import CONTESTED, Ack, EpochRange, LaneRange, State
from contract.samples import ClockState, Sample
from contract.stretches import Stretch, Stretches
from contract.topics import Lane
from tests.collector.making import (
    BOOT,
    EPOCH,
    NOW_MS,
    OTHER_EPOCH,
    RULES,
    SQLITE_ONLY,
    greeting,
    hello,
    journal_database,
    rows,
    taken,
    telemetry,
    tombstone,
    up,
)

pytestmark = pytest.mark.usefixtures("both_engines")

COMMITTER = """
import sys
from pathlib import Path
from tests.collector.making import journal_database, taken, telemetry, up
with journal_database(Path(sys.argv[1])) as database:
    for start in range(1, 100_000, 5):
        outcome = taken(database, *(up(telemetry(number)) for number in range(start, start + 5)))
        print(outcome.answers[0].ack.upto, flush=True)
"""


@settings(max_examples=15, deadline=None)
@given(groups=st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=10), max_size=6))
def test_any_deliveries_leave_every_batch_once_in_order_and_acknowledged(
    groups: list[list[int]],
) -> None:
    """Grouped into transactions at random, with the marks read back from the database each time."""
    with TemporaryDirectory() as folder, journal_database(Path(folder)) as database:
        upto = 0
        for group in [*groups, [1, 2, 3, 4, 5, 6]]:
            outcome = taken(database, *(up(telemetry(sequence)) for sequence in group))
            answer = outcome.answers[0]
            assert answer.ack.upto >= upto
            upto = answer.ack.upto
            assert [row[4] for row in rows(database, journal)] == list(range(1, upto + 1))
        assert answer.ack == Ack(1, EPOCH, 6, batches.digest(telemetry(6)))


def test_the_answer_tells_new_from_repeated_and_unknown(tmp_path: Path) -> None:
    """A commit is answered at once; duplicates and holes repeat the mark; no mark is answered with 0."""
    with journal_database(tmp_path) as database:
        [answer] = taken(database, up(telemetry(3))).answers
        assert (answer.ack, answer.repeats) == (Ack(1, EPOCH, 0), True)
        [answer] = taken(database, up(telemetry(1)), up(telemetry(2))).answers
        assert (answer.ack.upto, answer.repeats) == (2, False)
        outcome = taken(database, up(telemetry(1)), up(telemetry(5)))
        [answer] = outcome.answers
        assert (answer.ack, answer.repeats) == (Ack(1, EPOCH, 2, batches.digest(telemetry(2))), True)
        assert outcome.batches == {Decision.HAVE: 1, Decision.HOLE: 1}


def test_a_hole_is_told_by_a_repetition_even_where_the_same_group_made_progress(tmp_path: Path) -> None:
    """The first acknowledgement of a mark says that it moved; the second, that something is missing."""
    with journal_database(tmp_path) as database:
        answers = taken(database, *(up(telemetry(number)) for number in (1, 2, 4, 5))).answers
        assert [(answer.ack.upto, answer.repeats) for answer in answers] == [(2, False), (2, True)]
        answers = taken(database, *(up(telemetry(number)) for number in (4, 3, 4))).answers
        assert [(answer.ack.upto, answer.repeats) for answer in answers] == [(4, False)]


@SQLITE_ONLY
def test_a_killed_process_leaves_journal_and_marks_together(tmp_path: Path) -> None:
    """SIGKILL amid commits: the mark is the last journalled batch, and nothing acknowledged is gone."""
    command = [sys.executable, "-c", COMMITTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    with journal_database(tmp_path) as database:
        sequences = [row[4] for row in rows(database, journal)]
        [mark] = rows(database, marks)
        assert sequences == list(range(1, mark[3] + 1))
        assert mark[3] >= acknowledged
        assert database.read_now(head).last_id == len(sequences)


def test_a_transaction_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """The journal row is written before the mark; if the mark cannot be, the row is not there either."""
    with journal_database(tmp_path) as database:
        taken(database, up(telemetry(1)))

        def disk_full(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.startswith("INSERT INTO marks"):
                raise OSError("disk full")

        event.listen(database._writer, "before_cursor_execute", disk_full)
        with pytest.raises(OSError, match="disk full"):
            taken(database, up(telemetry(2)))
        event.remove(database._writer, "before_cursor_execute", disk_full)
        assert len(rows(database, journal)) == 1
        [answer] = taken(database, up(telemetry(2))).answers
        assert answer.ack.upto == 2


def test_a_hello_starts_a_new_lane_where_the_gateway_starts(tmp_path: Path) -> None:
    """A new centre meets a gateway that is at batch 7: it begins there, and names what it never had."""
    with journal_database(tmp_path) as database:
        outcome = taken(database, hello(greeting(7, 9)))
        answers = {answer.key.lane: answer.ack for answer in outcome.answers}
        assert answers == {Lane.TELEMETRY: Ack(1, EPOCH, 6), Lane.EVENTS: Ack(1, EPOCH, 0)}
        assert not any(answer.repeats for answer in outcome.answers)
        assert taken(database, up(telemetry(7))).answers[0].ack.upto == 7
        [gap] = rows(database, gaps)
        assert gap[4:11] == (UNKNOWN_HERE, EPOCH, "telemetry", 1, 6, 0, NOW_MS)
        assert rows(database, gateways)[0][:4] == ("gw-1", NOW_MS, NOW_MS, BOOT)
        assert [row[1:3] for row in rows(database, devices)] == [("main-pressure", "qdy30a")]


def test_a_gap_that_a_gateway_without_a_time_shows_is_dated_by_the_centre(tmp_path: Path) -> None:
    """Its hello says 1970, and nobody would look for the gap there."""
    with journal_database(tmp_path) as database:
        taken(database, hello(greeting(1, 1)), up(telemetry(1)))
        taken(database, hello(greeting(5, 9, sent_ms=77, clock=ClockState.UNSET), at_ms=NOW_MS + 9))
        [gap] = rows(database, gaps)
        assert gap[7:11] == (2, 4, NOW_MS, NOW_MS + 9)


def test_what_the_gateway_no_longer_holds_becomes_a_gap_once(tmp_path: Path) -> None:
    """The mark jumps, the loss is on record, and an older hello afterwards changes nothing."""
    with journal_database(tmp_path) as database:
        taken(database, up(telemetry(1)), up(telemetry(2)))
        for data in (greeting(6, 9), greeting(6, 9), greeting(2, 9)):
            [answer, _] = taken(database, hello(data)).answers
            assert answer.ack == Ack(1, EPOCH, 5, "")
        [gap] = rows(database, gaps)
        assert gap[3:9] == (
            "collector",
            "the gateway no longer holds what was never received",
            EPOCH,
            "telemetry",
            3,
            5,
        )
        assert taken(database, up(telemetry(6))).answers[0].ack.upto == 6


def test_hello_and_batches_of_one_group_are_taken_in_order(tmp_path: Path) -> None:
    """The mark that a hello sets holds for the batch behind it in the same transaction."""
    with journal_database(tmp_path) as database:
        outcome = taken(database, hello(greeting(7, 9)), up(telemetry(7)), up(telemetry(8)))
        answers = {answer.key.lane: answer.ack.upto for answer in outcome.answers}
        assert answers == {Lane.TELEMETRY: 8, Lane.EVENTS: 0}


def test_epochs_of_a_gateway_are_told_apart(tmp_path: Path) -> None:
    """Batch 1 of a new epoch is a new batch."""
    with journal_database(tmp_path) as database:
        outcome = taken(database, up(telemetry(1)), up(telemetry(1, epoch=OTHER_EPOCH)))
        assert outcome.batches == {Decision.TAKE: 2}
        assert {answer.key.epoch for answer in outcome.answers} == {EPOCH, OTHER_EPOCH}


def state(gateway: str, online: bool) -> Received:
    """Return a gateway's state as it comes from the broker."""
    return Received(topics.state("north", gateway), messages.encode(State(1, online, BOOT)), NOW_MS)


def test_a_state_tells_whether_a_gateway_is_online(tmp_path: Path) -> None:
    """Also of a gateway that has not said hello; an emptied retained message means nothing."""
    with journal_database(tmp_path) as database:
        taken(database, state("gw-2", True))
        assert rows(database, gateways)[0][7] is True
        taken(database, state("gw-2", False), Received(topics.state("north", "gw-2"), b"", NOW_MS))
        assert rows(database, gateways)[0][7] is False
        assert rows(database, dead_letters) == []


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (Received("gengfu/1/north/gw-1/up/nonsense", b"x", NOW_MS), "topic"),
        (Received("gengfu/1/south/gw-1/up/events", b"x", NOW_MS), "district"),
        (Received("gengfu/1/north/gw-1/ack/events", b"x", NOW_MS), "kind"),
        (up(b"GF\x01\x00\x05nonsense"), "malformed_batch"),
        (up(telemetry(1, district="south")), "topic_disagrees"),
        (up(telemetry(1), gateway="gw-2"), "topic_disagrees"),
        (up(telemetry(1), lane=Lane.EVENTS), "topic_disagrees"),
        (hello(b"{}"), "malformed_hello"),
        (hello(greeting(5, 4)), "malformed_hello"),
        (hello(greeting(1, 2), gateway="gw-2"), "topic_disagrees"),
        (Received(topics.state("north", "gw-1"), b"[]", NOW_MS), "malformed_state"),
    ],
)
def test_what_cannot_be_used_is_counted_by_reason_and_kept(
    received: Received, reason: str, tmp_path: Path
) -> None:
    """It is never answered, and good messages of the same group are taken."""
    with journal_database(tmp_path) as database:
        outcome = taken(database, received, up(telemetry(1)))
        assert outcome.rejected == {reason: 1}
        assert outcome.batches == {Decision.TAKE: 1}
        [letter] = rows(database, dead_letters)
        assert letter[3] == reason
        assert letter[5:7] == (len(received.payload), received.payload[:4096])


def test_no_message_makes_the_intake_fail(tmp_path: Path) -> None:
    """Anything may arrive on any topic."""
    kinds = st.sampled_from(["hello", "state", "up/events", "up/telemetry"])
    noise = st.binary(max_size=200)

    with journal_database(tmp_path) as database:

        @settings(max_examples=100, deadline=None)
        @given(
            topic=st.text(max_size=40) | kinds.map("gengfu/1/north/gw-1/{}".format),
            payload=noise | noise.map(lambda tail: b"GF\x01" + tail),
        )
        def throw(topic: str, payload: bytes) -> None:
            assert taken(database, Received(topic, payload, NOW_MS)).batches.total() == 0

        throw()


def test_dead_letters_gateways_and_epochs_have_limits(tmp_path: Path) -> None:
    """The newest letters stay; a gateway or an epoch too many is refused and told why."""
    rules = replace(RULES, gateways_max=1, epochs_per_gateway_max=2, dead_letters_max=3)
    with journal_database(tmp_path) as database:
        taken(database, hello(greeting(1, 1)), rules=rules)
        outcome = taken(database, up(telemetry(1, gateway="gw-2"), gateway="gw-2"), rules=rules)
        assert outcome.rejected == {"too_many_gateways": 1}
        epochs = [up(telemetry(1, epoch=f"{number:032x}")) for number in range(3)]
        outcome = taken(database, *epochs, rules=rules)
        assert outcome.rejected == {"too_many_epochs": 2}
        taken(database, *(up(bytes([number])) for number in range(5)), rules=rules)
        assert [row[6] for row in rows(database, dead_letters)] == [b"\2", b"\3", b"\4"]


def test_an_epoch_that_gave_way_goes_on_where_the_journal_ends(tmp_path: Path) -> None:
    """What it brings again is had already, and what it no longer holds is a gap, to the last of it."""
    rules = replace(RULES, epochs_per_gateway_max=1)

    def greeted(first: int, following: int, epoch: str = EPOCH) -> Outcome:
        return taken(database, hello(greeting(first, following, epoch=epoch)), rules=rules)

    with journal_database(tmp_path) as database:
        greeted(3, 3)
        taken(database, *(up(telemetry(number)) for number in (3, 4, 5)), rules=rules)
        greeted(1, 1, OTHER_EPOCH)
        assert greeted(4, 7).answers[0].ack == Ack(1, EPOCH, 5, batches.digest(telemetry(5)))
        outcome = taken(database, *(up(telemetry(number)) for number in (4, 5, 6)), rules=rules)
        assert outcome.batches == {Decision.HAVE: 2, Decision.TAKE: 1}
        assert [(row[7], row[8]) for row in rows(database, gaps)] == [(1, 2)]
        greeted(1, 1, OTHER_EPOCH)
        pruned(database, passed=10)
        greeted(9, 9)
        assert [(row[7], row[8]) for row in rows(database, gaps)] == [(1, 8)]


def pruned(database: Database, *, passed: int) -> int:
    """Drop everything that may be dropped; return how many batches that were."""
    return len(database.write_now(lambda db: prune(db, passed=passed, bytes_max=0, before_ms=0)))


def test_a_full_journal_takes_nothing_until_what_is_projected_is_dropped(tmp_path: Path) -> None:
    """Nothing unprojected is ever dropped, and nothing is half-taken."""
    size = len(telemetry(1))
    rules = replace(RULES, journal_bytes_max=3 * size)
    with journal_database(tmp_path) as database:
        taken(database, *(up(telemetry(number)) for number in (1, 2, 3)), rules=rules)
        with pytest.raises(JournalFullError, match="journal_bytes_max"):
            taken(database, up(telemetry(4)), rules=rules)
        for passed, dropped in ((0, 0), (2, 2)):
            assert pruned(database, passed=passed) == dropped
        [answer] = taken(database, up(telemetry(4)), rules=rules).answers
        assert answer.ack.upto == 4
        assert [row[0] for row in rows(database, journal)] == [3, 4]


def test_what_the_broker_says_for_a_gateway_is_no_sign_of_its_life(tmp_path: Path) -> None:
    """Its will, and hello and state that the broker kept: each new connection of ours brings them again."""
    later_ms = NOW_MS + 30 * 86_400_000

    def state(*, online: bool, at_ms: int, retained: bool = False) -> Received:
        data = messages.encode(State(1, online, BOOT))
        return Received(topics.state("north", "gw-1"), data, at_ms, retained)

    with journal_database(tmp_path) as database:
        taken(database, hello(greeting(1, 1)), state(online=True, at_ms=NOW_MS))
        taken(database, state(online=False, at_ms=NOW_MS + 5_000))
        kept = Received(topics.hello("north", "gw-1"), greeting(1, 1), later_ms, retained=True)
        outcome = taken(database, kept, state(online=False, at_ms=later_ms, retained=True))
        assert outcome.answers, "a retained hello is answered: it is how a new centre learns of what is held"
        [row] = database.read_now(lambda db: db.execute(gateways.select()).mappings().all())
        assert (row["heard_ms"], row["hello_ms"]) == (NOW_MS, NOW_MS)
        assert (row["online"], row["state_ms"]) == (False, NOW_MS + 5_000)
        taken(database, hello(greeting(1, 1), at_ms=later_ms), state(online=True, at_ms=later_ms))
        [row] = database.read_now(lambda db: db.execute(gateways.select()).mappings().all())
        assert {row["heard_ms"], row["hello_ms"], row["state_ms"]} == {later_ms}


def other(sequence: int) -> bytes:
    """Return what another buffer wrote under the same number."""
    return telemetry(sequence, [Sample(NOW_MS + sequence, "meter", "pressure", -1)])


@pytest.mark.parametrize("groups", [1, 4], ids=["in_one_commit", "one_by_one"])
def test_where_two_buffers_number_alike_nothing_is_acknowledged_for_the_wrong_one(
    groups: int, tmp_path: Path
) -> None:
    """A clone's third batch would continue the mark, and vouch for two of its that were never taken."""
    from_both = [up(telemetry(1)), up(telemetry(2)), up(other(1)), up(other(2)), up(other(3))]
    size = -(-len(from_both) // groups)
    with journal_database(tmp_path) as database:
        for begin in range(0, len(from_both), size):
            outcome = taken(database, *from_both[begin : begin + size])
        assert outcome.answers[-1].ack == Ack(1, EPOCH, 2, CONTESTED)
        assert len(rows(database, journal)) == 2
        answers = taken(database, hello(greeting(4, 9))).answers
        assert answers[0].ack == Ack(1, EPOCH, 3, CONTESTED), "what is gone is named, and still nothing taken"
        assert [gap[7:9] for gap in rows(database, gaps)] == [(3, 3)]
        assert taken(database, up(telemetry(4)), up(telemetry(1))).batches == {Decision.CONTESTED: 2}


def test_what_another_centre_had_under_numbers_that_are_taken_here_is_named(tmp_path: Path) -> None:
    """A card is rolled back at a new centre; then the first centre's backup is put back.

    Neither numbers nor digests tell that what the card has delivered since is nowhere.
    """
    first_boot, second_boot = "1" * 32, "2" * 32
    known: dict[str, Stretches] = {"telemetry": (Stretch(first_boot, 1), Stretch(second_boot, 3))}

    def told(first: int, *, former: bool = False) -> Received:
        held = {"telemetry": LaneRange(first, first), "events": LaneRange(1, 1)}
        epochs = [EpochRange(EPOCH, held, known)]
        if former:
            epochs.insert(
                0, EpochRange(OTHER_EPOCH, {"telemetry": LaneRange(1, 1), "events": LaneRange(1, 1)})
            )
        return hello(greeting(1, 1, epochs=epochs))

    with journal_database(tmp_path) as database:
        taken(database, *(up(telemetry(number, boot_id=first_boot)) for number in range(1, 10)))
        outcome = taken(database, told(6))
        assert outcome.answers[0].ack == Ack(1, EPOCH, 9, CONTESTED)
        assert [gap[7:9] for gap in rows(database, gaps)] == [(3, 5)]
        assert taken(database, up(telemetry(10, boot_id=second_boot))).batches == {Decision.CONTESTED: 1}
        taken(database, told(8, former=True), told(6))
        [gap] = database.read_now(lambda db: db.execute(gaps.select()).mappings().all())
        assert (gap["first_sequence"], gap["last_sequence"]) == (3, 7), "a later hello tells more of it"
        assert (gap["origin"], gap["reason"], gap["count"]) == ("collector", PARTED, None)
        assert gap["from_ms"] <= gap["to_ms"]


def test_a_card_that_was_rolled_back_at_its_own_centre_has_lost_nothing_here(tmp_path: Path) -> None:
    """What it had delivered is what stands here; only what it is to send must be numbered anew."""
    first_boot, second_boot = "1" * 32, "2" * 32
    with journal_database(tmp_path) as database:
        taken(database, *(up(telemetry(number, boot_id=first_boot)) for number in range(1, 10)))
        held = {"telemetry": LaneRange(5, 9), "events": LaneRange(1, 1)}
        epochs = [EpochRange(EPOCH, held, {"telemetry": (Stretch(first_boot, 1), Stretch(second_boot, 7))})]
        [answer, *_] = taken(database, hello(greeting(1, 1, epochs=epochs))).answers
        assert answer.ack.digest == batches.digest(telemetry(9, boot_id=first_boot))
        assert not rows(database, gaps)


def test_a_repetition_or_a_tombstone_contests_nothing(tmp_path: Path) -> None:
    """What comes twice is the same, or had to give way at the gateway before it heard of its arrival."""
    with journal_database(tmp_path) as database:
        outcome = taken(database, *map(up, (telemetry(1), telemetry(2), telemetry(1), tombstone(1, 1))))
        assert outcome.batches == {Decision.TAKE: 2, Decision.HAVE: 2}
        pruned(database, passed=2)
        outcome = taken(database, *map(up, (other(1), tombstone(2, 1), telemetry(2), telemetry(3))))
        assert outcome.batches == {Decision.HAVE: 3, Decision.TAKE: 1}
        assert taken(database, up(other(3))).batches == {Decision.CONTESTED: 1}


def test_an_epoch_too_many_takes_the_place_of_one_that_its_gateway_lists_no_more(tmp_path: Path) -> None:
    """The longest unmoved gives way; what a hello lists stays, and no gateway is ever locked out."""
    rules = replace(RULES, epochs_per_gateway_max=2)
    names = [f"{number:032x}" for number in range(5)]

    def marked() -> set[str]:
        return {row[1] for row in rows(database, marks)}

    with journal_database(tmp_path) as database:
        for number, name in enumerate(names[:4]):
            outcome = taken(database, hello(greeting(1, 1, epoch=name), at_ms=NOW_MS + number), rules=rules)
            assert not outcome.rejected
        assert marked() == set(names[2:4])
        held = {"telemetry": LaneRange(1, 1), "events": LaneRange(1, 1)}
        listing = greeting(1, 1, epochs=[EpochRange(name, held) for name in (names[4], *names[:3])])
        assert not taken(database, hello(listing), rules=rules).rejected
        assert marked() == {names[4], *names[:3]}
        assert taken(database, up(telemetry(1, epoch=names[4])), rules=rules).answers[0].ack.upto == 1
