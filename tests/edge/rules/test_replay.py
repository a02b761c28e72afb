"""Recorded samples through rules: what would have happened, on the recording's own time."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from contract.events import AlarmCleared, AlarmRaised, ControlChanged
from contract.samples import Quality, Sample
from edge import checks
from edge.rules.recording import BadRow, read
from edge.rules.replay import Happened, Replay
from edge.settings import EXAMPLE, Ref
from tests.edge.rules.rigs import START_MS, Rig, settings
from tests.edge.virtual_gateway import VirtualSite, after

CABINET = Path(__file__).parents[2] / "scenarios" / "dusty_morning.toml"


@given(
    st.lists(
        st.tuples(st.integers(1, 120), st.sampled_from([None, 0.0, 5.0, 11.0, 25.0])), min_size=1, max_size=60
    )
)
def test_a_replay_does_what_the_rules_did(steps: list[tuple[int, float | None]]) -> None:
    """The same values at the same times, time-outs included, are the same alarms at the same times."""
    alarms = (
        {"high": 10.0, "high_high": 20.0, "on_delay_s": 5.0, "deadband": 2.0},
        {"kind": "stale", "stale_s": 90.0},
        {"kind": "rate", "rises_by": 8.0, "within_s": 60.0},
        {"high": 8.0, "mean_s": 300.0, "aligned": True, "coverage_percent": 30.0},
    )
    rig, replay, at_s = Rig(*alarms), Replay(settings(*alarms)), 0
    found: list[Happened] = []
    for number, (step_s, value) in enumerate(steps):
        for second in range(at_s, at_s + step_s) if number else ():
            rig.tick(second)
        at_s += step_s if number else 0
        rig.see(at_s, value)
        quality = Quality.BAD if value is None else Quality.GOOD
        found += replay.take(Sample(START_MS + at_s * 1000, "meter", "level", value, quality))
    told = [(round((each.time_ms - START_MS) / 1000), each.what, each.rule) for each in found]
    live = [
        (round(at), "raised" if isinstance(event, AlarmRaised) else "cleared", event.rule)
        for at, event in rig.told
        if isinstance(event, AlarmRaised | AlarmCleared)
    ]
    assert sorted(told) == sorted(live)


def test_a_replayed_morning_of_dust_starts_and_stops_when_the_gateway_did(tmp_path: Path) -> None:
    """What the gateway sent, weather only when it changed, through the same rules; the relay follows."""
    file = tmp_path / "edge.toml"
    text = EXAMPLE.read_text()
    means = 'mode = "mean"\ninterval_s = 300\n'
    assert means in text
    file.write_text(text.replace(means, ""))
    site = VirtualSite(file, CABINET, tmp_path)
    events = site.run(after(44 * 60))
    live = [(event.time_ms, str(event.action)) for event in events if isinstance(event, ControlChanged)]
    replay = Replay(site.settings)
    found = [
        happened
        for sample in sorted(site.samples(), key=lambda each: each.time_ms)
        for happened in replay.take(sample)
    ]
    replayed = [(each.time_ms, each.what) for each in found if each.rule == "dust-spray"]
    assert replay.means == {}
    assert [what for _, what in replayed] == [what for _, what in live]
    assert [what for _, what in live if what in {"started", "stopped"}] == ["started", "stopped"] * 2
    assert all(abs(ours - theirs) <= 1000 for (ours, _), (theirs, _) in zip(replayed, live, strict=True))


def test_a_recording_of_means_says_that_it_lags() -> None:
    """The example sends dust as means of five minutes: nobody is to wonder why its spray starts later."""
    replay = Replay(checks.load(EXAMPLE)[0])
    assert replay.means == {Ref("station", "pm10"): 300}


def test_rows_are_read_from_both_forms() -> None:
    """The names that the centre's API gives; quality is good where it is left out."""
    rows = [
        '{"time_ms": 5, "device": "a", "point": "b", "value": 1.5, "quality": "bad", "clock": "unset"}',
        "",
        '{"time_ms": 6, "device": "a", "point": "b", "value": true}',
    ]
    expected = [Sample(5, "a", "b", 1.5, Quality.BAD), Sample(6, "a", "b", True)]
    assert list(read(rows)) == expected
    table = ["\ufeffdevice,point,time_ms,quality,value,error\r\n", "a,b,5,bad,1.5,x\n", "a,b,6,,true\n"]
    assert list(read(table)) == expected


def test_a_row_that_cannot_be_used_is_told_by_its_line() -> None:
    """The rest is used all the same."""
    rows = [
        '{"time_ms": 5, "device": "a", "point": "b", "value": 1}',
        "{",
        '{"time_ms": "soon", "device": "a", "point": "b", "value": 1}',
        '{"device": "a", "point": "b", "value": 1}',
        '{"time_ms": 5, "device": "A b", "point": "b", "value": 1}',
        '{"time_ms": 5, "device": "a", "point": "b", "value": 1, "quality": "fine"}',
        "[" * 100_000,
        '{"time_ms": 6, "device": "a", "point": "b", "value": 1}',
    ]
    found = list(read(rows))
    assert [row.line for row in found if isinstance(row, BadRow)] == [2, 3, 4, 5, 6, 7]
    assert [row.time_ms for row in found if isinstance(row, Sample)] == [5, 6]
    table = ["time_ms,device,point,value", "1,a,b,2", "1,a,b,2,3", "x,a,b,2", "1,a,b,nan", "2,a,b,"]
    told = list(read(table))
    assert [row.line for row in told if isinstance(row, BadRow)] == [3, 4, 5]
    assert told[-1] == Sample(2, "a", "b", None)
    [header] = read(["time,device", "1,a"])
    assert isinstance(header, BadRow)
    assert "no column time_ms, point, value" in header.what
    assert list(read([])) == []


def test_changed_rules_show_another_past() -> None:
    """What the change is for: the same samples, with a deadband."""
    samples = [
        Sample(START_MS + at_s * 1000, "meter", "level", 10.0 + (at_s % 2) * 0.2) for at_s in range(60)
    ]
    counts = []
    for deadband in (0.0, 0.5):
        replay = Replay(settings({"high": 10.1, "deadband": deadband}))
        counts.append(sum(each.what == "raised" for sample in samples for each in replay.take(sample)))
    assert counts == [30, 1]


def test_a_value_that_is_sent_on_change_stands_until_it_must_have_come_again() -> None:
    """Where nothing comes for longer than its policy allows, the recording has a hole, and that is told."""
    report = {"mode": "on_change", "longest_s": 600.0}
    found = []
    for until_s in (500, 5000):
        replay = Replay(settings({"kind": "stale", "stale_s": 60.0}, report=report))
        for at_s in (0, until_s):
            found += [
                (until_s, each.what, (each.time_ms - START_MS) // 1000)
                for each in replay.take(Sample(START_MS + at_s * 1000, "meter", "level", 5.0))
            ]
    assert found == [(5000, "raised", 720), (5000, "cleared", 5000)]
