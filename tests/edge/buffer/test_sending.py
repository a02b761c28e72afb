"""What has left once leaves in the same bytes ever after, and says whether it is old or lacks time."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contract import batches
from contract.batches import Content, Header
from contract.samples import ClockState, Quality, Sample
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.store import Buffer
from edge.clock import Moment

NOW_MS = 1_800_000_000_000
LANE = Lane.TELEMETRY


class Site:
    """A buffer over restarts, and the time."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty buffer."""
        self._folder, self._ids = folder, itertools.count(1)
        self.now_ms = NOW_MS
        self.offset_ms: int | None = None
        self.buffer = self._opened()

    def _opened(self) -> Buffer:
        return Buffer(
            self._folder / "buffer.db",
            "north",
            "gw-1",
            f"{next(self._ids):032x}",
            lambda: f"{next(self._ids):032x}",
            offset_ms=lambda: self.offset_ms,
        )

    def restart(self) -> None:
        """Start anew: the clock of this boot is not set yet."""
        self.buffer.close()
        self.offset_ms = None
        self.buffer = self._opened()

    def keep(self, *, live: bool = False, unset: bool = False) -> None:
        """Commit a batch."""
        state = ClockState.UNSET if unset else ClockState.SYNCHRONISED
        payload = batches.samples_payload([Sample(NOW_MS, "d", "p", 1.0, Quality.GOOD, "", state)])
        item = Append(LANE, Content.SAMPLES, payload, self.now_ms, NOW_MS, NOW_MS, 1, live, unset)
        self.buffer.append([item])

    def send(self, sequence: int) -> bytes:
        """Return the message of a batch that is held."""
        stored = self.buffer.to_send(LANE, sequence, Moment(0, self.now_ms))
        assert stored
        return stored.message

    def header(self, sequence: int) -> Header:
        """Return the header with which it leaves."""
        return batches.read_header(self.send(sequence))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a new one."""
    return Site(tmp_path)


ACTS = st.sampled_from(["live", "waits", "unset", "send", "send", "later", "restart", "set", "acknowledge"])


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTS, max_size=40), st.randoms(use_true_random=False))
def test_no_sequence_leaves_in_two_forms(acts: list[str], random: object) -> None:
    """However time passes, whenever it starts anew, and whenever its clock is set."""
    with tempfile.TemporaryDirectory() as folder:
        site, left, held, sent = Site(Path(folder)), dict[int, bytes](), [1, 1], 0
        for act in [*acts, "send"]:
            match act:
                case "live" | "waits" | "unset":
                    site.keep(live=act == "live", unset=act == "unset")
                    held[1] += 1
                case "later":
                    site.now_ms += 200_000
                case "restart":
                    site.restart()
                case "set":
                    site.offset_ms = 5_000 if site.offset_ms is None else site.offset_ms
                case "acknowledge" if sent >= held[0]:
                    assert site.buffer.acknowledge(LANE, sent, batches.digest(left[sent]))
                    held[0] = sent + 1
                case "send":
                    for sequence in range(held[0], held[1]):
                        message = site.send(sequence)
                        assert left.setdefault(sequence, message) == message
                        sent = sequence
                        if random.random() < 0.2:  # type: ignore[attr-defined]
                            break
        site.buffer.close()


def test_what_first_leaves_long_after_is_backfill_and_what_has_left_before_is_not(site: Site) -> None:
    """Also where it is sent again a day later, by another process."""
    site.keep(live=True)
    site.keep()
    assert not site.header(2).backfill
    site.keep()
    site.now_ms += 86_400_000
    site.keep()
    site.restart()
    assert [site.header(sequence).backfill for sequence in (1, 2, 3, 4)] == [False, False, True, False]


def test_a_backlog_is_settled_by_few_commits_and_live_batches_by_none(site: Site) -> None:
    """A thousand old batches cost four writes; what leaves at once costs nothing."""
    for number in range(1_100):
        site.keep(live=number >= 1_000)
    site.now_ms += 400_000
    before = site.buffer._db.total_changes
    headers = [site.header(sequence) for sequence in range(1, 1_101)]
    assert [header.backfill for header in headers] == [True] * 1_000 + [False] * 100
    assert site.buffer._db.total_changes - before <= 4


def test_what_waits_for_the_clock_leaves_with_what_its_times_lack(site: Site) -> None:
    """Known before it leaves: also after a restart. What has left before, and another boot's, stay unset."""
    site.keep(unset=True)
    site.keep(unset=True, live=True)
    site.keep(unset=True)
    assert site.header(1).offset_ms is None
    site.offset_ms = 7_000
    site.keep(unset=True)
    site.keep()
    site.restart()
    site.keep(unset=True)
    assert [site.header(each).offset_ms for each in range(1, 7)] == [None, None, 7_000, 7_000, None, None]


def test_an_acknowledgement_is_taken_for_either_form(site: Site) -> None:
    """A card copied before a batch had left knows less than the centre, which yet has the very same batch."""
    site.keep()
    stored = site.buffer.read(LANE, 1)
    assert stored
    assert not stored.settled
    site.now_ms += 400_000
    other = replace(site.header(1), backfill=False)
    payload = stored.message[-len(_payload(stored.message)) :]
    assert site.buffer.acknowledge(LANE, 1, batches.digest(batches.message(other, payload)))


def _payload(message: bytes) -> bytes:
    return message[5 + int.from_bytes(message[3:5], "big") :]
