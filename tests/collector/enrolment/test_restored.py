"""A centre whose tables were put back from a backup: what it issued since then is revoked all the same."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from collector.database import Database
from collector.enrolment import certificates, revoking
from collector.enrolment.authority import SERIAL_BITS, Authority, KeySigner, Revoked
from collector.enrolment.desk import EnrolmentDesk, Refused
from collector.enrolment.settings import Enrolment
from collector.people import audit
from collector.people.audit import Wanted
from tests.collector.enrolment.making import DAY_MS, Bench, authority, bench, new_key, request

KEY = new_key()
AHEAD = Enrolment().serials_revoked_ahead


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    """Lend a desk with the settings as they are by default."""
    with bench(tmp_path) as made:
        yield made


def good(answer: object) -> x509.Certificate:
    """Return what was issued."""
    assert isinstance(answer, x509.Certificate), answer
    return answer


def refusal(answer: object) -> str:
    """Return why nothing was."""
    assert isinstance(answer, Refused), answer
    assert answer.status == 403
    return answer.words


def backed_up(desk: Bench, to: Path) -> None:
    """Copy the tables as they are now."""
    with closing(sqlite3.connect(desk.folder / "collector.db")) as db, closing(sqlite3.connect(to)) as copy:
        db.backup(copy)


def restore(desk: Bench, path: Path) -> None:
    """Put the tables back as they were; the centre does not run meanwhile."""
    desk.state.close()
    desk.desk = EnrolmentDesk(desk.desk.settings, "north", desk.desk.authority)
    for each in desk.folder.glob("collector.db*"):
        each.unlink()
    shutil.copyfile(path, desk.folder / "collector.db")
    desk.state = Database(desk.folder / "collector.db", "state")


def test_what_was_issued_after_the_backup_is_revoked(desk: Bench, tmp_path: Path) -> None:
    """By code or by renewal, of a name that the backup knew or did not; a new code serves again."""
    first = good(desk.enrol(desk.code(), request(KEY)))
    backed_up(desk, tmp_path / "backup.db")
    second = good(desk.renew(first, request(KEY)))
    again = good(desk.enrol(desk.code(), request(KEY)))
    other = good(desk.enrol(desk.code("gw-2"), request(KEY, "gw-2"), "gw-2"))
    restore(desk, tmp_path / "backup.db")
    desk.now_ms += DAY_MS
    for gateway in ("gw-1", "gw-2"):
        desk.revoke(gateway)
    assert {each.serial_number for each in (first, second, again, other)} <= desk.listed()
    for held in (first, second, again, other):
        assert "revoked" in refusal(desk.renew(held, request(KEY, None)))
    desk.now_ms += DAY_MS
    new = good(desk.enrol(desk.code(), request(KEY)))
    assert new.serial_number not in desk.listed()
    good(desk.renew(new, request(KEY)))


def test_what_is_not_known_is_refused_from_before_a_revocation_and_learnt(desk: Bench) -> None:
    """Whatever its number is, as of a centre of before; it is on the list from then on."""
    held = desk.issued("gw-1", KEY)
    desk.now_ms += DAY_MS
    desk.revoke()
    assert held.serial_number not in desk.listed()
    answer = desk.renew(held, request(KEY))
    assert "revoked" in refusal(answer)
    assert isinstance(answer, Refused)
    assert answer.learnt == "gw-1"
    assert held.serial_number in desk.listed()
    again = desk.renew(held, request(KEY))
    assert isinstance(again, Refused)
    assert not again.learnt
    assert "gateway.shown" in actions(desk)


def test_what_is_not_known_is_renewed_once_it_is_noted(desk: Bench, tmp_path: Path) -> None:
    """It is in the tables then, told as what it is, and revoked with the others; numbers go on after it."""
    first = good(desk.enrol(desk.code(), request(KEY)))
    backed_up(desk, tmp_path / "backup.db")
    desk.now_ms += DAY_MS
    second = good(desk.renew(first, request(KEY)))
    restore(desk, tmp_path / "backup.db")
    third = good(desk.renew(second, request(KEY)))
    rows = desk.state.read_now(lambda db: certificates.of_gateways(db, "gw-1", 0, 10))
    assert [row.origin for row in rows] == ["renewal", "unknown", "code"]
    assert len({each.serial_number for each in (first, second, third)}) == 3
    assert actions(desk).count("gateway.certificate") == 3
    assert len(desk.revoke().serials) == 3


def test_what_is_not_known_is_refused_where_the_operator_says_so(tmp_path: Path) -> None:
    """A code is needed then."""
    with bench(tmp_path, renew_unknown=False) as desk:
        held = desk.issued("gw-1", KEY)
        assert "does not know" in refusal(desk.renew(held, request(KEY)))
        good(desk.renew(good(desk.enrol(desk.code(), request(KEY))), request(KEY)))


def test_numbers_follow_from_the_key_of_the_authority(desk: Bench) -> None:
    """The same again for the same name and place, long enough for what is kept, and no other's."""
    told = desk.desk.authority
    again = Authority(told.chain, KeySigner(told.signer.key))  # type: ignore[attr-defined]
    numbers = [told.serial(gateway, place) for gateway in ("gw-1", "gw-2") for place in range(100)]
    assert numbers == [again.serial(gateway, place) for gateway in ("gw-1", "gw-2") for place in range(100)]
    assert {each.bit_length() for each in numbers} == {SERIAL_BITS}
    assert not {*numbers} & {authority().serial("gw-1", place) for place in range(100)}


def test_an_order_that_is_repeated_takes_no_more_numbers(desk: Bench, tmp_path: Path) -> None:
    """Until one is given, or the tables may have been put back: those that were given since are forgotten."""
    for _ in range(3):
        desk.revoke()
        assert len(desk.listed()) == AHEAD
    backed_up(desk, tmp_path / "backup.db")
    given = good(desk.enrol(desk.code(), request(KEY)))
    restore(desk, tmp_path / "backup.db")
    desk.revoke()
    assert given.serial_number in desk.listed()
    assert len(desk.listed()) == 2 * AHEAD
    good(desk.enrol(desk.code(), request(KEY)))
    desk.revoke()
    assert len(desk.listed()) == 3 * AHEAD + 1


def test_a_full_list_drops_what_is_least_likely_to_be_taken(
    desk: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of each name the last of the numbers, and what is over; what is known and not over stays."""
    over = good(desk.enrol(desk.code("gw-2"), request(KEY, "gw-2"), "gw-2"))
    desk.revoke("gw-2")
    desk.now_ms += 100 * DAY_MS
    known = good(desk.enrol(desk.code(), request(KEY)))
    for gateway in ("gw-1", "gw-3", "gw-4"):
        desk.revoke(gateway)
        desk.now_ms += 1
    assert len(desk.listed()) == 2 + 3 * AHEAD
    assert not caplog.messages
    monkeypatch.setattr(revoking, "REVOKED_MAX", 3 * 5)
    told = desk.desk.authority.serial
    first = {told("gw-1", place) for place in range(5)}  # the first of them is the known one
    first |= {told(gateway, place) for gateway in ("gw-3", "gw-4") for place in range(5)}
    assert desk.listed() == first
    assert known.serial_number in first
    assert over.serial_number not in desk.listed()
    assert "full" in caplog.text


def test_an_order_of_a_clock_that_was_ahead_condemns_nothing_that_came_after_it(
    desk: Bench, tmp_path: Path
) -> None:
    """The numbers tell it, where the time cannot; what has none of those that came after is refused."""
    ahead_ms = 30 * DAY_MS
    before, unnumbered = good(desk.enrol(desk.code(), request(KEY))), desk.issued("gw-1", KEY)
    desk.now_ms += ahead_ms
    desk.revoke()
    desk.now_ms -= ahead_ms
    backed_up(desk, tmp_path / "backup.db")
    desk.now_ms += DAY_MS
    after = good(desk.enrol(desk.code(), request(KEY)))
    restore(desk, tmp_path / "backup.db")
    desk.now_ms += DAY_MS
    for held in (before, unnumbered):
        assert "revoked" in refusal(desk.renew(held, request(KEY)))
    good(desk.renew(after, request(KEY)))
    assert {before.serial_number, unnumbered.serial_number} <= desk.listed()
    assert after.serial_number not in desk.listed()


STEPS = st.lists(st.sampled_from(["enrol", "renew", "back up", "restore", "revoke"]), max_size=9)


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(["enrol", "revoke", "restore", "enrol", "restore", "revoke"])
@example(["enrol", "back up", "renew", "restore", "revoke", "enrol"])
@example(["renew", "enrol", "restore", "back up", "renew", "revoke"])
@given(STEPS)
def test_nothing_from_before_a_revocation_gets_in_and_all_that_came_after_does(
    desk: Bench, tmp_path: Path, steps: list[str]
) -> None:
    """Whatever is issued, put back and revoked in which order; each story is of another gateway."""
    gateway = f"gw-{desk.now_ms}"
    ended: list[x509.Certificate] = []
    good_ones: list[x509.Certificate] = []
    told: list[Revoked] = []
    backed_up(desk, tmp_path / "backup.db")
    for step in steps:
        desk.now_ms += 600_000
        if step == "enrol" or (step == "renew" and not good_ones):
            good_ones.append(good(desk.enrol(desk.code(gateway), request(KEY, gateway), gateway)))
        elif step == "renew":
            good_ones.append(good(desk.renew(good_ones[-1], request(KEY, gateway))))
        elif step == "back up":
            backed_up(desk, tmp_path / "backup.db")
        elif step == "restore":
            restore(desk, tmp_path / "backup.db")
            take_over(desk, told)  # the list in the broker's folder was not put back
        else:
            desk.revoke(gateway)
            ended, good_ones = ended + good_ones, []
            told = desk.list()
    told = desk.list()
    listed = {each.serial for each in told}
    assert {each.serial_number for each in ended} <= listed
    assert not {each.serial_number for each in good_ones} & listed
    for held in ended:
        assert "revoked" in refusal(desk.renew(held, request(KEY, gateway)))
    for held in good_ones:
        good(desk.renew(held, request(KEY, gateway)))


def take_over(desk: Bench, listed: list[Revoked]) -> None:
    """Do as a centre does when it starts."""
    until_ms = desk.now_ms + 90 * DAY_MS
    desk.state.write_now(lambda db: revoking.take_over(db, desk.desk.authority, listed, until_ms))


def actions(desk: Bench) -> list[str]:
    """Return what the audit trail has of the gateway."""
    notes = desk.state.read_now(lambda db: audit.noted(db, Wanted(target="gateway/gw-1"), 0, 50))
    return [note.action for note in notes]
