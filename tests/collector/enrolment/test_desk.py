"""Whom a certificate is issued to: each code once, each name its own, and nothing to who was sent away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.enrolment import revoking
from collector.enrolment.certificates import Origin
from collector.enrolment.desk import NO_CODE, Refused
from collector.people import audit
from collector.people.audit import Wanted
from tests.collector.enrolment.making import CODE, DAY_MS, Bench, bench, new_key, request


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    """Lend a desk with the settings as they are by default."""
    with bench(tmp_path) as made:
        yield made


def good(answer: object) -> x509.Certificate:
    """Return what was issued."""
    assert isinstance(answer, x509.Certificate), answer
    return answer


def status(answer: object) -> int:
    """Return why nothing was."""
    assert isinstance(answer, Refused), answer
    return answer.status


def test_a_code_gives_one_certificate_to_one_key(desk: Bench) -> None:
    """The same key is answered again with the same, for its answer may be lost; another key with nothing."""
    code, key = desk.code(), new_key()
    first = good(desk.enrol(code, request(key)))
    assert good(desk.enrol(code.lower().replace("-", ""), request(key))) == first
    assert desk.enrol(code, request(new_key())) == NO_CODE
    assert first.subject.rfc4514_string() == "CN=gw-1"


def test_a_lost_answer_is_not_given_again_after_the_end_or_a_revocation(desk: Bench) -> None:
    """The code is as good as it was, and no better."""
    code, key = desk.code(), new_key()
    good(desk.enrol(code, request(key)))
    desk.now_ms += 3_600_000
    assert desk.enrol(code, request(key)) == NO_CODE
    code = desk.code()
    good(desk.enrol(code, request(key)))
    desk.revoke()
    assert desk.enrol(code, request(key)) == NO_CODE


def test_wrong_codes_use_a_code_up(desk: Bench) -> None:
    """Ten tries, and then the right one is worth nothing; another gateway's code is not touched."""
    code, other = desk.code(), desk.code("gw-2", "2222-2222-2222-2222")
    for _ in range(10):
        assert desk.enrol("3333", b"") == NO_CODE
    assert desk.enrol(code, request(new_key())) == NO_CODE
    good(desk.enrol(other, request(new_key(), "gw-2"), "gw-2"))


def test_a_request_that_cannot_be_signed_costs_no_code(desk: Bench) -> None:
    """Somebody mistyped a name; the code is still good."""
    code = desk.code()
    assert status(desk.enrol(code, b"noise")) == 400
    assert status(desk.enrol(code, request(new_key(), "gw-2"))) == 400
    good(desk.enrol(code, request(new_key())))


@pytest.mark.parametrize("gateway", ["", "gw-2", "GW-1", "../gw-1", "x" * 200, "gw-1\x00"])
def test_a_code_is_for_its_gateway_only(desk: Bench, gateway: str) -> None:
    """Whatever name is brought with it."""
    code = desk.code()
    assert desk.enrol(code, request(new_key(), "gw-1"), gateway) == NO_CODE


def test_a_new_code_takes_the_place_of_the_last_one(desk: Bench) -> None:
    """A gateway has one at most."""
    first, second = desk.code(), desk.code(code="2222-2222-2222-2222")
    assert desk.enrol(first, request(new_key())) == NO_CODE
    good(desk.enrol(second, request(new_key())))


def test_a_certificate_is_renewed_by_itself_and_noted(desk: Bench) -> None:
    """Also with another key; the audit trail tells on what each was issued."""
    held = good(desk.enrol(desk.code(), request(new_key())))
    desk.now_ms += 45 * DAY_MS
    renewed = good(desk.renew(held, request(new_key(), None)))
    assert renewed.not_valid_after_utc > held.not_valid_after_utc
    notes = desk.state.read_now(lambda db: audit.noted(db, Wanted(target="gateway/gw-1"), 0, 10))
    assert [(note.action, note.who) for note in reversed(notes)] == [
        ("gateway.code", "local"),
        ("gateway.certificate", "gateway/gw-1"),
        ("gateway.certificate", "gateway/gw-1"),
    ]
    assert Origin.RENEWAL in notes[0].detail


@pytest.mark.parametrize(
    ("days_over", "rule_days", "comes_back"),
    [(1, 180, True), (90, 180, True), (181, 180, False), (1, 0, False)],
)
def test_what_is_over_is_renewed_as_the_operator_says(
    tmp_path: Path, days_over: int, rule_days: int, comes_back: bool
) -> None:
    """A cabinet that was dark comes back by itself, within the rule."""
    with bench(tmp_path, expired_renewal_days_max=rule_days) as desk:
        key = new_key()
        held = desk.issued("gw-1", key, now_ms=desk.now_ms - (90 + days_over) * DAY_MS)
        answer = desk.renew(held, request(key))
        if comes_back:
            good(answer)
        else:
            assert status(answer) == 403


def test_nothing_is_renewed_for_who_is_revoked_early_or_no_gateway(desk: Bench) -> None:
    """By their certificates: revoked, not valid yet, another district's, the centre's own."""
    key = new_key()
    held = good(desk.enrol(desk.code(), request(key)))
    desk.revoke()
    own = desk.desk.authority
    public = key.public_key()
    told = {"serial": 7, "now_ms": desk.now_ms, "valid_days": 90.0}
    for bad in (
        held,
        desk.issued("gw-1", key, now_ms=desk.now_ms + DAY_MS),
        own.gateway("south", "gw-1", public, **told),  # type: ignore[arg-type]
        own.client("collector@north", public, **told),  # type: ignore[arg-type]
        own.client("gw-1", public, **told),  # type: ignore[arg-type]
        own.server(("gw-1",), public, **told),  # type: ignore[arg-type]
    ):
        assert status(desk.renew(bad, request(key))) == 403


def test_a_gateway_that_renews_without_end_is_told_to_wait(tmp_path: Path) -> None:
    """The table does not grow by one that goes mad."""
    with bench(tmp_path, renewals_per_day_max=3) as desk:
        key = new_key()
        held = good(desk.enrol(desk.code(), request(key)))
        for _ in range(2):
            good(desk.renew(held, request(key)))
        refused = desk.renew(held, request(key))
        assert isinstance(refused, Refused)
        assert (refused.status, refused.retry_after_s) == (429, 3600)
        desk.now_ms += DAY_MS + 1
        good(desk.renew(held, request(key)))


def test_a_restored_centre_forgets_no_revocation(desk: Bench, tmp_path: Path) -> None:
    """What the list for the broker has is taken over; what only proved the list is not."""
    held = good(desk.enrol(desk.code(), request(new_key())))
    desk.revoke()
    listed = desk.list()
    (tmp_path / "restored").mkdir()
    with bench(tmp_path / "restored", by=desk.desk.authority) as restored:
        probe = type(listed[0])(12345, desk.now_ms)
        added = restored.state.write_now(
            lambda db: revoking.take_over(db, restored.desk.authority, [*listed, probe], desk.now_ms + DAY_MS)
        )
        assert added == len(listed)
        assert status(restored.renew(held, request(new_key()))) == 403


STEPS = st.one_of(
    st.tuples(st.just("enrol"), st.integers(0, 1), st.integers(0, 2)),
    st.tuples(st.just("code"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("revoke"), st.just(0), st.just(0)),
)
KEYS = [new_key() for _ in range(3)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=12))
def test_no_code_ever_serves_two_keys(desk: Bench, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is asked in which order; each story is of another gateway."""
    desk.now_ms += 1
    gateway, served = f"gw-{desk.now_ms}", dict[str, set[int]]()
    known = ["2222-2222-2222-2222", "3333-3333-3333-3333"]
    for number, (what, which, key) in enumerate(steps):
        if what == "code":
            known[which] = desk.code(gateway, f"{number}{CODE}")
        elif what == "revoke":
            desk.revoke(gateway)
        else:
            answer = desk.enrol(known[which], request(KEYS[key], gateway), gateway)
            if isinstance(answer, x509.Certificate):
                served.setdefault(known[which], set()).add(key)
    assert all(len(each) == 1 for each in served.values())
