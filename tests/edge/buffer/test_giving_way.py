"""What no longer fits: telemetry first, everything counted, nothing that could fill the buffer by itself."""

import os
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from contract import batches
from contract.batches import Batch, Content, Tombstone
from contract.events import UNSET, AlarmCleared, Gap
from contract.samples import ClockState, Sample
from contract.topics import Lane
from edge.buffer import opening
from edge.buffer.batch import Append
from edge.buffer.losses import EVENTS_LET_GO, SAMPLES_LET_GO, SAMPLES_UNSTORED, Loss
from edge.buffer.retention import ROW_BYTES, TOMBSTONES_SHARE
from edge.buffer.store import Buffer
from edge.buffer.writer import Commit, Writer
from edge.clock import Moment
from tests.edge.buffer.test_store import counting, opened

MIB = 1024 * 1024


def noise(at_ms: int, size: int = 1500, count: int = 7) -> Append:
    """Return a batch of telemetry of that size, as far as the buffer can tell."""
    return Append(Lane.TELEMETRY, Content.SAMPLES, b"\x00" + os.urandom(size), at_ms, at_ms, at_ms + 9, count)


def alarms(at_ms: int, count: int = 1) -> Append:
    """Return a batch of events that cannot be packed small."""
    rows = [AlarmCleared(os.urandom(16).hex(), at_ms, "tilt", "cover", "roll") for _ in range(count)]
    return Append(Lane.EVENTS, Content.EVENTS, batches.events_payload(list(rows)), at_ms, at_ms, at_ms, count)


def held(buffer: Buffer, lane: Lane) -> list[tuple[int, Content, int]]:
    """Return sequence, content and count of each row."""
    rows = buffer._db.execute(
        "SELECT sequence, content, count FROM batches WHERE lane = ? ORDER BY sequence", (lane,)
    )
    return [(sequence, Content(content), count) for sequence, content, count in rows]


def owed(buffer: Buffer) -> dict[str, Loss]:
    """Return everything that is owed, told or not yet to be told."""
    return {loss.reason: loss for loss in buffer._owed}


def test_weeks_without_a_link_never_fill_the_buffer_and_every_sample_is_accounted_for(tmp_path: Path) -> None:
    """Whatever is not held is a tombstone, or counted in one place; tombstones keep to their share."""
    buffer, taken, bytes_max = opened(tmp_path), 0, 64 * 1024
    for at_ms in range(1200):
        buffer.append([noise(at_ms)])
        taken += 7
        buffer.keep_within(bytes_max)
        assert buffer.octets <= bytes_max
    rows = held(buffer, Lane.TELEMETRY)
    contents = Counter(content for _, content, _ in rows)
    assert 5 < contents[Content.TOMBSTONE] <= bytes_max // TOMBSTONES_SHARE // ROW_BYTES
    assert contents[Content.SAMPLES] > 25
    lost = owed(buffer)[SAMPLES_LET_GO]
    assert (lost.count or 0) + sum(count for _, _, count in rows) == taken
    assert (lost.from_ms, lost.first_sequence, lost.last_sequence) == (0, 1, rows[0][0] - 1)
    assert [sequence for sequence, _, _ in rows] == list(range(rows[0][0], 1201))
    assert buffer.ranges()[0].lanes[Lane.TELEMETRY].first == rows[0][0]


def test_batches_too_small_for_a_tombstone_cannot_fill_it_either(tmp_path: Path) -> None:
    """They are let go as they are."""
    buffer, bytes_max = opened(tmp_path), 64 * 1024
    for at_ms in range(1000):
        buffer.append([noise(at_ms, size=20)])
        buffer.keep_within(bytes_max)
        assert buffer.octets <= bytes_max
    lost = owed(buffer)[SAMPLES_LET_GO]
    assert (lost.count or 0) + sum(count for _, _, count in held(buffer, Lane.TELEMETRY)) == 7000


def test_what_was_let_go_is_told_once_when_the_centre_is_heard_and_survives_a_restart(tmp_path: Path) -> None:
    """Until then it adds up in one row: a gap for each would fill the lane of events."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms) for at_ms in range(200)])
    buffer.keep_within(20_000)
    assert buffer.owed == []
    buffer.close()
    buffer = opened(tmp_path)
    [first] = {row[0] for row in held(buffer, Lane.TELEMETRY)[:1]}
    assert buffer.acknowledge(Lane.TELEMETRY, first - 1, "")
    [lost] = buffer.owed
    assert (lost.reason, lost.last_sequence) == (SAMPLES_LET_GO, first - 1)
    buffer.append([], told=buffer.owed)
    assert buffer.owed == []
    buffer.close()
    assert list(opened(tmp_path)._owed) == []


def test_an_event_goes_only_when_events_alone_are_too_many(tmp_path: Path) -> None:
    """All telemetry goes before; then the oldest events, as counted."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms) for at_ms in range(40)])
    buffer.append([alarms(at_ms, 100) for at_ms in range(10)])
    events = buffer.events_octets
    buffer.keep_within(events)
    assert {content for _, content, _ in held(buffer, Lane.EVENTS)} == {Content.EVENTS}
    assert len(held(buffer, Lane.EVENTS)) == 10
    assert not [row for row in held(buffer, Lane.TELEMETRY) if row[1] is Content.SAMPLES]
    buffer.keep_within(events // 2)
    rows = held(buffer, Lane.EVENTS)
    assert rows[-1][1] is Content.EVENTS
    gone = owed(buffer).get(EVENTS_LET_GO)
    assert (gone.count or 0 if gone else 0) + sum(count for _, _, count in rows) == 1000
    assert buffer.octets <= events // 2


def test_a_gap_that_has_to_go_is_told_again_later(tmp_path: Path) -> None:
    """Its count is owed anew: what was lost is not lost twice."""
    buffer = opened(tmp_path)
    gap = Gap("a" * 32, 9, "gateway", SAMPLES_UNSTORED, 3, 5, count=123)
    payload = batches.events_payload([gap])
    buffer.append([Append(Lane.EVENTS, Content.EVENTS, payload, 9, 3, 5, 1)])
    buffer.append([alarms(at_ms, 100) for at_ms in range(10)])
    buffer.keep_within(buffer.octets // 4)
    assert owed(buffer)[SAMPLES_UNSTORED] == Loss(SAMPLES_UNSTORED, 3, 5, 123)


@pytest.mark.parametrize("seed", range(3))
def test_running_totals_are_what_a_look_at_every_row_would_say(tmp_path: Path, seed: int) -> None:
    """After appends, acknowledgements, retention, refusals and renumberings in any order."""
    random, buffer = Random(seed), opened(tmp_path)
    for at_ms in range(300):
        match random.randrange(7):
            case 0 | 1 | 2:
                buffer.append([noise(at_ms, random.randrange(3000)), alarms(at_ms)])
            case 3:
                buffer.keep_within(round(buffer.octets * random.uniform(0.5, 1.1)))
            case 4:
                lane = random.choice(list(Lane))
                held_ = buffer.ranges()[0].lanes[lane]
                upto = random.randrange(held_.first - 1, held_.next)
                stored = buffer.read(lane, upto) if upto else None
                buffer.acknowledge(lane, upto, batches.digest(stored.message) if stored else "")
            case 5:
                [pages] = buffer._db.execute("PRAGMA page_count").fetchone()
                buffer._db.execute(f"PRAGMA max_page_count = {pages}")
                with pytest.raises(sqlite3.OperationalError, match="full"):
                    buffer.append([noise(at_ms, 300), noise(at_ms, 2_000_000)])
                buffer.may_grow()
            case 6 if random.random() < 0.2:
                buffer.renumber()
        for lane, usage in opening.usage(buffer._db).items():
            ours = buffer._usage[lane]
            assert (ours.octets, ours.tombstone_octets) == (usage.octets, usage.tombstone_octets)
            assert not usage.live_from or ours.live_from <= usage.live_from
    assert {row[0]: Loss(*row) for row in _rows(buffer)} == owed(buffer)


def _rows(buffer: Buffer) -> list[tuple[str, int, int, int | None, int, int]]:
    return buffer._db.execute("SELECT * FROM owed").fetchall()


def test_a_flush_looks_at_no_row_as_long_as_all_fits_and_at_few_when_it_does_not(tmp_path: Path) -> None:
    """However much is held: SQLite's own count of steps tells."""
    buffer = opened(tmp_path)
    for at_ms in range(40):
        buffer.append([noise(at_ms * 100 + index, 200) for index in range(100)])
    buffer.keep_within(buffer.octets)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    buffer._db.set_progress_handler(count, 100)
    buffer.keep_within(buffer.octets)
    assert steps == 0
    limit = buffer.octets - 1
    assert buffer.keep_within(limit) == 1
    once, steps = steps, 0
    buffer.append([noise(9_000, 200)])
    buffer.keep_within(limit)
    assert steps < 2 * once + 50_000
    assert steps < 100_000


OFFSET_MS = 1_000_000


class Clocked:
    """A buffer whose boot's clock is set late, or never."""

    def __init__(self, folder: Path) -> None:
        """Nobody knows yet what is missing in its times."""
        self.offset_ms: int | None = None
        self.buffer = Buffer(
            folder / "buffer.db", "n", "g", "b" * 32, counting(), offset_ms=lambda: self.offset_ms
        )

    def keep(self, item: Append) -> None:
        """Commit one batch."""
        self.buffer.append([item])

    def told(self, lane: Lane, sequence: int = 1) -> Tombstone | None:
        """Return a tombstone as the centre decodes it."""
        stored = self.buffer.to_send(lane, sequence, Moment(0, 10 * OFFSET_MS))
        assert stored
        return batches.decode(stored.message).tombstone


def event(at_ms: int, clock: ClockState) -> AlarmCleared:
    """Return an event that cannot be packed small."""
    return AlarmCleared(os.urandom(16).hex(), at_ms, "tilt", "cover", "roll", os.urandom(60).hex(), clock)


def unset_noise(at_ms: int) -> Append:
    """Return telemetry from before the clock was set."""
    return replace(noise(at_ms), unset=True)


def mixed() -> Append:
    """Return a batch of events, some from before the clock was set, which is known as they are kept."""
    before = [event(500 + number, ClockState.UNSET) for number in range(20)]
    after = [event(OFFSET_MS + 1_000, ClockState.SYNCHRONISED) for _ in range(20)]
    payload, last_ms = batches.events_payload([*before, *after]), OFFSET_MS + 1_000
    return Append(Lane.EVENTS, Content.EVENTS, payload, last_ms, 500, last_ms, 40, unset=True)


def test_the_tombstone_of_events_from_before_and_after_a_synchronisation_has_their_true_range(
    tmp_path: Path,
) -> None:
    """Only those times are moved that lack something, and none of them twice."""
    site = Clocked(tmp_path)
    site.offset_ms = OFFSET_MS
    site.keep(mixed())
    site.buffer.keep_within(site.buffer.octets - 1)
    right = Tombstone(OFFSET_MS + 500, OFFSET_MS + 1_000, 40, "buffer full", ClockState.HOLDOVER)
    assert site.told(Lane.EVENTS) == right


def test_a_range_that_nobody_can_put_right_says_so(tmp_path: Path) -> None:
    """It is moved if the time becomes known before it leaves; of two clocks it never is."""
    site = Clocked(tmp_path)
    for item in (unset_noise(500), noise(OFFSET_MS), mixed()):
        site.keep(item)
    site.buffer.keep_within(site.buffer.events_octets + 700)
    site.offset_ms = OFFSET_MS
    moved = Tombstone(OFFSET_MS + 500, OFFSET_MS + 509, 7, "buffer full", ClockState.HOLDOVER)
    assert site.told(Lane.TELEMETRY) == moved
    assert site.told(Lane.TELEMETRY, 2) == Tombstone(OFFSET_MS, OFFSET_MS + 9, 7, "buffer full")
    other = Clocked(tmp_path / "other")
    other.keep(mixed())
    other.buffer.keep_within(other.buffer.octets - 1)
    other.offset_ms = OFFSET_MS
    unset = Tombstone(500, OFFSET_MS + 1_000, 40, "buffer full", ClockState.UNSET)
    assert other.told(Lane.EVENTS) == unset


@pytest.mark.parametrize("known", [False, True])
def test_what_is_let_go_is_told_on_its_right_times_or_apart(tmp_path: Path, known: bool) -> None:
    """One range over two clocks would be of neither."""
    site = Clocked(tmp_path)
    for item in (unset_noise(500), unset_noise(600), noise(OFFSET_MS + 2_000)):
        site.keep(item)
    if known:
        site.offset_ms = OFFSET_MS
    site.keep(noise(OFFSET_MS + 3_000))
    site.buffer.keep_within(0)
    losses = owed(site.buffer)
    if known:
        [loss] = losses.values()
        assert loss == Loss(SAMPLES_LET_GO, OFFSET_MS + 500, OFFSET_MS + 3_009, 28, 1, 4)
    else:
        assert losses[SAMPLES_LET_GO + UNSET] == Loss(SAMPLES_LET_GO + UNSET, 500, 609, 14, 1, 2)
        assert losses[SAMPLES_LET_GO] == Loss(SAMPLES_LET_GO, OFFSET_MS + 2_000, OFFSET_MS + 3_009, 14, 3, 4)


def test_a_tombstone_and_what_was_let_go_add_up_at_the_centre(tmp_path: Path) -> None:
    """The messages themselves, decoded: samples, tombstones and gaps are all that was taken."""
    buffer = Buffer(tmp_path / "buffer.db", "north", "gw-1", "b" * 32, counting())
    for at_ms in range(0, 6000, 10):
        rows = [Sample(at_ms + index, "d", "p", os.urandom(8).hex()) for index in range(10)]
        payload = batches.samples_payload(rows)
        buffer.append([Append(Lane.TELEMETRY, Content.SAMPLES, payload, at_ms, at_ms, at_ms + 9, 10)])
        buffer.keep_within(64 * 1024)
    lane = buffer.ranges()[0].lanes[Lane.TELEMETRY]
    stored = [buffer.read(Lane.TELEMETRY, sequence) for sequence in range(lane.first, lane.next)]
    decoded: list[Batch] = [batches.decode(each.message) for each in stored if each]
    arrives = sum(len(batch.samples) for batch in decoded)
    counted = sum(batch.tombstone.count for batch in decoded if batch.tombstone)
    assert arrives + counted + (owed(buffer)[SAMPLES_LET_GO].count or 0) == 6000


def test_what_gives_way_on_a_full_disk_is_told_though_the_same_reason_is_told_just_then(
    tmp_path: Path,
) -> None:
    """A commit that tells what was let go before has to let go more: that is told or owed, too."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms, size=20) for at_ms in range(50)])
    buffer.keep_within(0)
    assert buffer.acknowledge(Lane.TELEMETRY, 50, "")
    assert [loss.count for loss in buffer.owed] == [350]
    buffer.append([noise(at_ms, size=20) for at_ms in range(1_000, 2_000)])
    buffer.stop_growing()
    writer = Writer(buffer, MIB)
    assert not writer.commit(Commit([noise(3_000, size=40_000)], [], Moment(0, 4_000))).refused
    kept = sum(count for _, _, count in held(buffer, Lane.TELEMETRY))
    assert kept < 7_007
    told = [buffer.read(Lane.EVENTS, sequence) for sequence, _, _ in held(buffer, Lane.EVENTS)]
    gaps = [event for each in told if each for event in batches.decode(each.message).events]
    counted = sum(gap.count or 0 for gap in gaps if isinstance(gap, Gap))
    still_owed = sum(loss.count or 0 for loss in buffer._owed)
    assert kept + counted + still_owed == 350 + 7_007


@pytest.mark.parametrize("content", [Content.TOMBSTONE, Content.SAMPLES])
def test_what_the_centre_has_is_not_counted_though_the_disk_refused_to_delete_it(
    tmp_path: Path, content: Content
) -> None:
    """It goes before anything gives way; neither a tombstone nor samples are told once more as let go."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms) for at_ms in range(60)])
    buffer.keep_within(85_000 if content is Content.TOMBSTONE else MIB)
    rows = held(buffer, Lane.TELEMETRY)
    assert {each for _, each, _ in rows[:10]} == {content}
    last = buffer.to_send(Lane.TELEMETRY, 10, Moment(0, 100))
    assert last
    buffer._db.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        buffer.acknowledge(Lane.TELEMETRY, 10, batches.digest(last.message))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        buffer.keep_within(10_000)
    assert buffer.ranges()[0].lanes[Lane.TELEMETRY].first == 11
    buffer._db.execute("PRAGMA query_only = OFF")
    buffer.keep_within(10_000)
    lost = owed(buffer)[SAMPLES_LET_GO]
    assert lost.first_sequence == 11
    assert (lost.count or 0) + sum(count for _, _, count in held(buffer, Lane.TELEMETRY)) == 350
    assert buffer.octets == sum(usage.octets for usage in opening.usage(buffer._db).values())


def test_what_the_centre_has_is_not_numbered_anew_though_the_disk_refused_to_delete_it(
    tmp_path: Path,
) -> None:
    """Under another number it would be there twice."""
    buffer = opened(tmp_path)
    stored = buffer.append([noise(at_ms) for at_ms in range(5)])
    buffer._db.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        buffer.acknowledge(Lane.TELEMETRY, 3, batches.digest(stored[2].message))
    buffer._db.execute("PRAGMA query_only = OFF")
    buffer.renumber()
    assert [sequence for sequence, _, _ in held(buffer, Lane.TELEMETRY)] == [1, 2]
    assert buffer.former()[0].lanes[Lane.TELEMETRY].next == 4


@pytest.mark.parametrize("leaving", [12, 25])
def test_what_may_have_arrived_is_let_go_last_so_that_it_is_not_counted_though_it_is_there(
    tmp_path: Path, leaving: int
) -> None:
    """Tombstones left, the link broke, room was needed: what follows goes; they wait for an answer."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms) for at_ms in range(60)])
    buffer.keep_within(64 * 1024)
    left = [buffer.to_send(Lane.TELEMETRY, sequence, Moment(0, 100)) for sequence in range(1, leaving + 1)]
    arrived = [batches.decode(each.message).tombstone for each in left[:8] if each]
    assert all(arrived)
    for at_ms in range(100, 200):
        buffer.append([noise(at_ms)])
        buffer.keep_within(64 * 1024)
        assert buffer.octets <= 64 * 1024
    lost = owed(buffer)[SAMPLES_LET_GO]
    assert lost.first_sequence == leaving + 1
    rows = held(buffer, Lane.TELEMETRY)
    assert [row[0] for row in rows[: leaving + 1]] == [*range(1, leaving + 1), lost.last_sequence + 1]
    assert sum(content is Content.SAMPLES for _, content, _ in rows) > 25
    # It leaves again as it left first, however late.
    assert buffer.to_send(Lane.TELEMETRY, 9, Moment(0, 10_000_000)) == left[8]
    assert left[7]
    assert buffer.acknowledge(Lane.TELEMETRY, 8, batches.digest(left[7].message))
    told = sum(each.count for each in arrived if each)
    assert told + (lost.count or 0) + sum(count for _, _, count in held(buffer, Lane.TELEMETRY)) == 160 * 7
    assert {row[0]: Loss(*row) for row in _rows(buffer)} == owed(buffer)


def test_what_left_as_it_was_committed_may_have_arrived_too(tmp_path: Path) -> None:
    """It is not asked for: the uplink has it in memory."""
    buffer = opened(tmp_path)
    buffer.append([replace(noise(at_ms, size=20), live=True) for at_ms in range(10)])
    buffer.append([noise(at_ms, size=20) for at_ms in range(100)])
    buffer.keep_within(16 * 1024)
    assert owed(buffer)[SAMPLES_LET_GO].first_sequence == 11
    assert buffer.ranges()[0].lanes[Lane.TELEMETRY].first == 1


def test_what_left_before_a_restart_may_have_arrived_too(tmp_path: Path) -> None:
    """The file says which batches it gave to be sent."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms) for at_ms in range(60)])
    buffer.keep_within(64 * 1024)
    for sequence in range(1, 13):
        buffer.to_send(Lane.TELEMETRY, sequence, Moment(0, 100))
    buffer.close()
    buffer = opened(tmp_path)
    for at_ms in range(100, 200):
        buffer.append([noise(at_ms)])
        buffer.keep_within(64 * 1024)
    assert owed(buffer)[SAMPLES_LET_GO].first_sequence > 12


def test_what_may_have_arrived_gives_way_where_nothing_else_can(tmp_path: Path) -> None:
    """Events take the whole buffer; and of it all only so much stays as a quarter."""
    buffer = opened(tmp_path)
    buffer.append([noise(at_ms, size=20) for at_ms in range(200)])
    for sequence in range(1, 201):
        buffer.to_send(Lane.TELEMETRY, sequence, Moment(0, 100))
    buffer.keep_within(16 * 1024)
    assert buffer.octets <= 16 * 1024
    staying = [sequence for sequence, _, _ in held(buffer, Lane.TELEMETRY)]
    assert 15 < sum(sequence < 100 for sequence in staying) < 20
    buffer.append([alarms(at_ms, 100) for at_ms in range(10)])
    buffer.keep_within(buffer.events_octets)
    assert not held(buffer, Lane.TELEMETRY)
    assert owed(buffer)[SAMPLES_LET_GO].count == 1_400
