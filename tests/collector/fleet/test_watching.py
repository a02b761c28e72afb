"""What the centre decides of its own findings: delays, hysteresis, and honesty about its own blindness."""

from hypothesis import given
from hypothesis import strategies as st

from collector.fleet import findings
from collector.fleet.findings import DeviceFacts, GatewayFacts
from collector.fleet.settings import GatewayOffline, LineDown, LitRate, Neighbours
from collector.fleet.watching import Delays, Finding, Source, decide

NOW_MS = 1_800_000_000_000
GW = Source("gateway_offline", "gw-1")
DELAYS = {"gateway_offline": Delays(60_000, 30_000)}
HOUR_MS = 3_600_000


def offline(facts: GatewayFacts, hears_since_ms: int | None, now_ms: int = NOW_MS) -> Finding:
    """Return how one gateway stands."""
    [found] = findings.offline([facts], GatewayOffline(silent_s=3600), hears_since_ms, now_ms)
    return found


def test_it_is_raised_after_the_on_delay_and_cleared_after_the_off_delay() -> None:
    """Since the facts say it is so; a centre that was started a moment ago does not wait anew."""
    gone = offline(GatewayFacts("gw-1", NOW_MS, False, NOW_MS), NOW_MS - HOUR_MS)
    early = decide([gone], {}, {}, DELAYS, NOW_MS + 59_999)
    assert (early.raised, early.pending) == ([], {GW: NOW_MS})
    assert decide([gone], {}, {}, DELAYS, NOW_MS + 60_000).raised == [gone]
    back = offline(GatewayFacts("gw-1", NOW_MS, True, NOW_MS), NOW_MS - HOUR_MS)
    assert decide([back], {GW: "a"}, {}, DELAYS, NOW_MS + 29_999).cleared == []
    assert decide([back], {GW: "a"}, {}, DELAYS, NOW_MS + 30_000).cleared == [back]


def test_a_centre_that_does_not_hear_raises_and_clears_nothing_of_gateways() -> None:
    """Whatever was so before; and one that hears again begins to count then."""
    for facts in (GatewayFacts("gw-1", 0, False, 0), GatewayFacts("gw-1", NOW_MS, True, NOW_MS)):
        blind = offline(facts, None)
        assert blind.bad is None
        for standing in ({}, {GW: "a"}):
            decided = decide([blind], standing, {GW: 0}, DELAYS, NOW_MS)
            assert (decided.raised, decided.cleared, decided.pending) == ([], [], {})
    long_silent = GatewayFacts("gw-1", NOW_MS - 10 * HOUR_MS, True, NOW_MS - 10 * HOUR_MS)
    assert offline(long_silent, NOW_MS - HOUR_MS + 1).bad is False
    assert offline(long_silent, NOW_MS - HOUR_MS).bad is True
    assert offline(GatewayFacts("gw-1", 0, False, 0), NOW_MS - 5).since_ms == NOW_MS - 5


def test_a_gateway_that_flaps_within_the_delays_is_no_alarm() -> None:
    """Each change begins the delay anew."""
    pending: dict[Source, int] = {}
    for minute in range(10):
        now_ms = NOW_MS + minute * 60_000
        facts = GatewayFacts("gw-1", now_ms, minute % 2 == 0, now_ms)
        decided = decide([offline(facts, 0, now_ms + 20_000)], {}, pending, DELAYS, now_ms + 20_000)
        assert decided.raised == []
        pending = decided.pending


def test_a_line_is_down_where_all_that_has_power_is_silent() -> None:
    """One that answers, or a gateway that is gone, and nobody says so."""
    settings = LineDown(devices_min=2)
    silent = [DeviceFacts("rs485-1", "a", 5), DeviceFacts("rs485-1", "b", 9)]
    dark = DeviceFacts("rs485-1", "c", None, unpowered=True)
    [down] = findings.lines("gw-1", [*silent, dark], settings, is_there=True)
    assert (down.source, down.bad, down.since_ms, down.value) == (
        Source("line_down", "gw-1", "rs485-1"),
        True,
        9,
        2,
    )
    answering = DeviceFacts("rs485-1", "d", None)
    [up] = findings.lines("gw-1", [*silent, answering], settings, is_there=True)
    assert up.bad is False
    for devices, is_there in ((silent, False), (silent[:1], True), ([*silent[:1], dark], True)):
        [unknown] = findings.lines("gw-1", devices, settings, is_there=is_there)
        assert unknown.bad is None


def test_a_rate_clears_only_beyond_its_hysteresis() -> None:
    """97.9 % is too low; 98.5 % is not, but does not end it; 99 % does. Few lamps are not judged."""
    settings, source = LitRate(), Source("lit_rate", "centre")
    found = [
        findings.rate("lit_rate", share, 1000, settings, standing, "{percent}").bad
        for share, standing in ((0.979, ()), (0.985, ()), (0.985, (source,)), (0.99, (source,)), (None, ()))
    ]
    assert found == [True, False, True, False, None]
    assert findings.rate("lit_rate", 0.1, 9, settings, (), "{percent}").bad is None


def test_many_neighbours_are_a_share_of_an_area() -> None:
    """Three of five, not two; it ends below 40 %; an area that is no more is cleared."""
    settings = Neighbours(gateways_min=3, share_percent=60, hysteresis_percent=20)
    names = [f"gw-{n}" for n in range(5)]
    areas = dict.fromkeys(names, "500103001001")
    source = Source("many_neighbours", "centre", "500103001001")

    def bad(lost: int, *standing: Source, hears: bool = True) -> list[bool | None]:
        found = findings.neighbours(names, names[:lost], areas, settings, standing, hears=hears)
        return [each.bad for each in found]

    assert [bad(2), bad(3), bad(2, source), bad(1, source)] == [[False], [True], [True], [False]]
    assert bad(5, hears=False) == [None]
    assert bad(0, Source("many_neighbours", "centre", "gone")) == [False, False]


@given(st.lists(st.tuples(st.integers(1, 40_000), st.sampled_from([True, False, None])), max_size=60))
def test_what_is_raised_was_bad_for_the_whole_delay(steps: list[tuple[int, bool | None]]) -> None:
    """Whatever the course: raised and cleared take turns, each after its delay without a break."""
    now_ms, stands, pending = NOW_MS, False, dict[Source, int]()
    so, since_ms = None, now_ms
    for step_ms, bad in steps:
        now_ms += step_ms
        if bad != so:
            so, since_ms = bad, now_ms
        decided = decide([Finding(GW, bad)], {GW: "a"} if stands else {}, pending, DELAYS, now_ms)
        due_ms = since_ms + (DELAYS[GW.rule].off_ms if stands else DELAYS[GW.rule].on_ms)
        is_due = bad is not None and bad != stands and now_ms >= due_ms
        assert len(decided.raised) == (is_due and not stands)
        assert len(decided.cleared) == (is_due and stands)
        stands, pending = stands != is_due, decided.pending
