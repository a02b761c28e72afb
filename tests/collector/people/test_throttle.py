"""Waits after wrong passwords: bounded, ever longer, and every one ends."""

from hypothesis import given
from hypothesis import strategies as st

from collector.people.throttle import Throttle

FREE, WAIT_MAX_S, TRACKED_MAX = 3, 900.0, 20
TRIES = st.lists(
    st.tuples(
        st.sampled_from(["boss", "lee", "wu"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "127.0.0.1"]),
        st.floats(0, 2_000),
        st.booleans(),
    ),
    max_size=60,
)


def throttle() -> Throttle:
    """Return a fresh one."""
    return Throttle(free=FREE, wait_max_s=WAIT_MAX_S, tracked_max=TRACKED_MAX)


@given(TRIES)
def test_every_wait_ends_and_none_is_longer_than_is_said(tries: list[tuple[str, str, float, bool]]) -> None:
    """Whatever was tried, right or wrong, by whom and from where; what is refused makes it no longer."""
    found, now_s = throttle(), 0.0
    for user, address, later_s, is_right in tries:
        now_s += later_s
        wait_s = found.wait_s(user, address, now_s)
        assert 0 <= wait_s <= WAIT_MAX_S
        assert found.wait_s(user, address, now_s + wait_s) == 0
        if wait_s == 0:
            found.tried(user, address, now_s)
            if is_right:
                found.right(user, address)
                assert found.wait_s(user, address, now_s) == 0 or later_s < WAIT_MAX_S


def test_the_table_is_bounded() -> None:
    """Whoever invents names fills it, and no more."""
    found = throttle()
    for number in range(1_000):
        found.tried(f"user-{number}", f"198.51.100.{number}", float(number))
        assert len(found) <= TRACKED_MAX


def test_how_often_a_day_one_password_can_be_tried() -> None:
    """About a hundred times for a name, from however many addresses."""
    found, now_s, tries = throttle(), 0.0, 0
    while now_s < 86_400:
        address = f"198.51.100.{tries % 250}"
        now_s += found.wait_s("boss", address, now_s)
        found.tried("boss", address, now_s)
        tries += 1
    assert 90 <= tries <= 120


def test_a_right_password_from_an_address_gives_it_no_further_tries() -> None:
    """Whoever has one account could try all others by it."""
    found = throttle()
    for number in range(FREE * 10):
        found.tried(f"user-{number}", "192.0.2.1", 0.0)
        found.tried("mine", "192.0.2.1", 0.0)
        found.right("mine", "192.0.2.1")
    assert found.wait_s("mine", "192.0.2.1", 0.0) == 0
    found.tried("other", "192.0.2.1", 0.0)
    assert found.wait_s("mine", "192.0.2.1", 0.0) > 0
