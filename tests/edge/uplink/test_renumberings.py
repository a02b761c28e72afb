"""A buffer begins a new epoch at once where it has to, and seldom where it is made to."""

from edge.uplink.renumberings import INTERVAL_MAX_S, INTERVAL_MIN_S, Renumberings

DAY_S = 86_400


def test_a_copied_card_is_renumbered_at_once_and_forged_contradictions_are_not() -> None:
    """A contradiction each second for a day: the first counts at once, then ever fewer."""
    renumberings = Renumberings()
    done = []
    for now_s in range(DAY_S):
        waits_s = renumberings.wait_s(now_s)
        if renumberings.may(now_s):
            done.append(now_s)
        assert (done[-1] == now_s) == (waits_s == 0)
    assert done[:4] == [0, 60, 180, 420]
    assert len(done) <= 7 + DAY_S / INTERVAL_MAX_S


def test_nothing_waits_longer_than_the_longest_interval_and_a_quiet_time_is_forgotten() -> None:
    """However often it was forged, the next that is true comes to its right."""
    renumberings = Renumberings()
    last_s = max(now_s for now_s in range(DAY_S) if renumberings.may(now_s))
    assert renumberings.may(last_s + INTERVAL_MAX_S)
    assert renumberings.may(last_s + 4 * INTERVAL_MAX_S)
    assert renumberings.may(last_s + 4 * INTERVAL_MAX_S + INTERVAL_MIN_S)
