"""The demo's audit must see every loss and every double, or its verdict is worth nothing."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from device_profiles import catalogue
from gengfu.demo import audit
from gengfu.demo.audit import Stored
from gengfu.demo.story import Story, View

SERIES = ("cover-1", "roll")
rows = st.lists(st.sampled_from([1.0, 2.0, 2.5, 3.0]), max_size=30).map(
    lambda values: [Stored(index * 1000, value) for index, value in enumerate(values)]
)


@given(rows, st.data())
def test_what_is_taken_away_is_lost_and_what_is_added_is_doubled(
    given_rows: list[Stored], data: st.DataObject
) -> None:
    """Counts are exact for any rows removed and any repeated."""
    stored, removed, added = [], 0, 0
    for row in given_rows:
        copies = data.draw(st.integers(0, 2))
        stored += [row] * copies
        removed += copies == 0
        added += copies == 2
    figures = audit.compare({SERIES: given_rows}, {SERIES: stored})
    # A double may hide a loss of the same value right beside it, never of another value or time.
    assert figures.lost - figures.duplicated == removed - added
    assert figures.samples_taken == len(given_rows)
    assert figures.samples_stored == len(stored)
    if not added:
        assert figures.lost == removed


def test_a_double_does_not_hide_a_loss_of_the_same_value_at_another_time() -> None:
    """Most points hardly ever change: a relay that is off is served and stored as 0 a hundred times."""
    served = [Stored(at_ms, 0) for at_ms in range(0, 100_000, 1000)]
    stored = [row for row in served if not 20_000 <= row.time_ms < 30_000]
    stored += [Stored(row.time_ms + 40, 0) for row in served if 60_000 <= row.time_ms < 70_000]
    figures = audit.compare({SERIES: served}, {SERIES: stored})
    assert figures.samples_taken == figures.samples_stored
    assert figures.lost == figures.duplicated
    assert figures.lost >= 4


def test_a_failed_read_on_record_explains_one_answer_close_in_time() -> None:
    """An answer that came too late for the gateway was served, and its failure is in the store."""
    served = [Stored(1000, 1.0), Stored(2000, 2.0), Stored(60_000, 3.0)]
    stored = [Stored(1000, 1.0), Stored(2500, None)]
    figures = audit.compare({SERIES: served}, {SERIES: stored})
    assert (figures.lost, figures.failed_reads, figures.duplicated) == (1, 1, 0)


def test_the_ledger_is_read_by_the_profile(tmp_path: Path) -> None:
    """Only answers to reads count, only wanted points, derived ones included."""
    ledger = tmp_path / "served.jsonl"
    entry = {"time_ms": 5, "line": "l", "device": "cover-1", "unit_id": 80, "table": "holding_register"}
    lines = [
        entry | {"address": 61, "values": [0, 16384, 0]},
        entry | {"address": 61, "values": [1], "write": True},
        entry | {"device": "other", "address": 61, "values": [1]},
    ]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    profiles = {"cover-1": catalogue.load_all()["wt901c485"]}
    found = audit.served(ledger, profiles, [("cover-1", "pitch"), ("cover-1", "inclination")])
    assert found == {
        ("cover-1", "pitch"): [Stored(5, 90.0)],
        ("cover-1", "inclination"): [Stored(5, 90.0)],
    }


def test_runs_are_counted_by_what_the_board_itself_served(tmp_path: Path) -> None:
    """Off, on, on, off, on: two runs."""
    ledger = tmp_path / "served.jsonl"
    entry = {"time_ms": 5, "device": "relays", "table": "coil", "address": 0}
    ledger.write_text("".join(json.dumps(entry | {"values": [state]}) + "\n" for state in (0, 1, 1, 0, 1)))
    assert audit.runs(ledger, "relays", 0) == 2


def test_a_broker_that_was_killed_with_nothing_waiting_proves_nothing() -> None:
    """The step is told only if the broker really lost something."""
    story = Story()
    assert story.look(View(1.0, broker_kills=1, queued_at_kill=0)) == []
    assert [step.name for step in story.look(View(2.0, broker_kills=1, queued_at_kill=3))] == [
        "broker_killed"
    ]
