"""What becomes of alarm sources in the room: chatter, floods, inhibition, silences, whom is told nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from collector.alarms import figures, silences
from collector.alarms.operating import Asked, ConflictError, UnknownError
from collector.alarms.settings import AlarmSettings, InhibitRuleSettings
from collector.alarms.silences import SilenceError, Wanted
from collector.alarms.tables import floods
from collector.alarms.transitions import Happening
from contract.events import Priority
from tests.collector.alarms.room import LI, NOW_MS, SETTINGS, WANG, Room, opened

HOUR_MS = 3_600_000


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A new one."""
    with opened(tmp_path / "collector.db") as room:
        yield room


def silenced(room: Room, *matchers: str, after_ms: int = 0, for_ms: int = HOUR_MS) -> str:
    """Begin a silence; return its id."""
    room.number += 1
    begins = room.now_ms + after_ms
    wanted = Wanted(matchers, begins, begins + for_ms, "they work there")
    silence_id = f"{room.number:032x}"
    room.database.write_now(
        lambda db: silences.add(
            db,
            wanted,
            WANG,
            room.now_ms,
            silence_id=silence_id,
            longest_ms=24 * HOUR_MS,
            count_max=3,
        )
    )
    return silence_id


def test_a_second_operator_is_told_what_the_first_did_and_when(room: Room) -> None:
    """Nothing of theirs is overwritten, and whoever acknowledges again hears who has."""
    burst = room.raised()
    seen = room.row(burst).version
    room.act(burst, Happening.SHELVED, WANG, version=seen, for_ms=HOUR_MS)
    with pytest.raises(ConflictError) as caught:
        room.act(burst, Happening.OUT_OF_SERVICE, LI, version=seen)
    assert str(caught.value) == (
        "gw-1/burst/main/pressure/low was shelved by wang at 2027-01-15T08:00:00Z, "
        "and is version 2 now; look again"
    )
    room.act(burst, Happening.UNSHELVED, LI)
    old = room.row(burst).version
    room.act(burst, Happening.ACKNOWLEDGED, WANG)
    room.act(burst, Happening.ACKNOWLEDGED, LI, version=old)
    assert room.row(burst).acked_by == "wang"
    assert room.trail() == [("wang", "alarm.shelve"), ("li", "alarm.unshelve"), ("wang", "alarm.acknowledge")]


def test_what_was_raised_again_since_is_not_acknowledged_unseen(room: Room) -> None:
    """The operator is told that it was."""
    burst = room.raised()
    seen = room.row(burst).version
    room.act(burst, Happening.ACKNOWLEDGED, LI)
    room.raised(priority=Priority.HIGH)
    with pytest.raises(ConflictError, match="was raised by gw-1 at"):
        room.act(burst, Happening.ACKNOWLEDGED, WANG, version=seen)


def test_an_alarm_that_is_not_there_is_unknown(room: Room) -> None:
    """A stale page may still show it."""
    burst = room.raised()
    asked = Asked(Happening.RESET, version=1)
    with pytest.raises(UnknownError, match="there is no alarm 77"):
        room.database.write_now(lambda db: room.operators.act(db, 77, asked, WANG, 0))
    assert room.row(burst).version == 1


def test_shelving_ends_at_its_time_also_after_a_restart(room: Room) -> None:
    """An active alarm is unacknowledged again, and told; the trail says that it was the centre."""
    burst = room.raised()
    room.act(burst, Happening.ACKNOWLEDGED)
    room.act(burst, Happening.SHELVED, for_ms=HOUR_MS, comment="the crew knows")
    assert room.quiet(burst) == {burst.id: "shelved"}
    assert json.loads(room.row(burst).set_aside)["shelved"]["comment"] == "the crew knows"
    room.passes(3599)
    assert room.row(burst).shelving == "timed"
    room.restart()
    room.passes(1)
    row = room.row(burst)
    assert (row.shelving, row.acked, row.acked_by, row.set_aside) == ("unshelved", False, None, "{}")
    assert room.quiet(burst) == {}
    assert room.told(burst) == 2
    assert room.trail()[-1] == ("centre", "alarm.shelving_expired")


@pytest.mark.parametrize("for_ms", [None, 0, 2 * HOUR_MS + 1])
def test_nobody_shelves_for_longer_than_the_settings_say(room: Room, for_ms: int | None) -> None:
    """With the setting's name."""
    burst = room.raised()
    with pytest.raises(ConflictError, match=r"for 2 h at most \(shelve_max_h\)"):
        room.act(burst, Happening.SHELVED, for_ms=for_ms)


def test_one_shot_ends_with_the_longest_time_where_the_alarm_does_not(room: Room) -> None:
    """As OPC UA says."""
    burst = room.raised()
    room.act(burst, Happening.SHELVED_ONE_SHOT)
    room.passes(2 * 3600)
    assert (room.row(burst).shelving, room.row(burst).acked) == ("unshelved", False)


def test_the_highest_priority_is_neither_shelved_nor_silenced_but_maintained(room: Room) -> None:
    """Words say what to do instead; planned work is shown as such."""
    gas = room.raised(priority=Priority.HIGHEST)
    silenced(room, 'gateway="gw-1"')
    assert room.quiet(gas) == {}
    for how in (Happening.SHELVED, Happening.SHELVED_ONE_SHOT):
        with pytest.raises(ConflictError, match="cannot be shelved; acknowledge it instead"):
            room.act(gas, how, for_ms=1_000)
    with pytest.raises(ConflictError, match="suppressed for 'maintenance' only"):
        room.act(gas, Happening.SUPPRESSED, reason="tests")
    room.act(gas, Happening.SUPPRESSED, reason="maintenance")
    assert room.quiet(gas) == {gas.id: "maintenance"}


@pytest.mark.parametrize("reason", ["planned", "inhibited:gateway-offline"])
def test_what_others_began_is_not_ended_by_hand(room: Room, reason: str) -> None:
    """Nor begun."""
    burst = room.raised(planned=reason == "planned")
    for happening in (Happening.SUPPRESSED, Happening.UNSUPPRESSED):
        with pytest.raises(ConflictError, match="not by hand"):
            room.act(burst, happening, reason=reason)


def test_an_alarm_of_planned_work_is_told_nobody_until_it_outlasts_it(room: Room) -> None:
    """The gateway raises it anew then."""
    planned = room.raised(planned=True)
    assert room.quiet(planned) == {planned.id: "planned"}
    assert room.told(planned) == 0
    room.cleared(planned)
    after = room.raised()
    assert room.quiet(planned, after) == {}
    assert (room.row(after).acked, room.told(after)) == (False, 1)


def test_the_end_of_an_earlier_occurrence_is_not_that_of_the_current_one(room: Room) -> None:
    """A cleared occurrence never becomes active again, and clears nobody else."""
    first = room.raised()
    second = room.raised()
    room.cleared(first)
    assert (room.row(second).active, room.row(second).alarm_id) == (True, second.id)
    room.cleared(second)
    assert not room.row(second).active


def test_a_chattering_source_is_one_standing_alarm_told_once(room: Room) -> None:
    """Its repetitions change nothing that an operator has seen; it ends when it was quiet long enough."""
    for _ in range(2):
        room.cleared(room.raised())
        room.now_ms += 10_000
    begins = room.raised()
    seen = room.row(begins).version
    assert (room.row(begins).occurrences, room.told(begins)) == (3, 3)
    room.cleared(begins)
    for _ in range(50):
        room.now_ms += 20_000
        last = room.raised()
        room.cleared(last)
    room.turn()
    row = room.row(begins)
    assert (row.active, row.source_active, row.occurrences, row.version) == (True, False, 53, seen)
    assert room.told(begins) == 3
    assert room.quiet(begins, last) == {last.id: "chattering"}
    room.act(begins, Happening.ACKNOWLEDGED, version=seen)
    room.passes(299)
    assert room.row(begins).active
    room.passes(1)
    row = room.row(begins)
    assert (row.active, row.chattering_since_ms, row.acked) == (False, None, True)
    room.raised()
    assert room.told(begins) == 4


def test_a_source_that_stays_active_stops_chattering_and_stays(room: Room) -> None:
    """It goes by its current condition."""
    for _ in range(3):
        last = room.raised()
        room.cleared(last)
    last = room.raised()
    room.passes(300)
    row = room.row(last)
    assert (row.active, row.chattering_since_ms, row.acked) == (True, None, False)


OFFLINE = {"rule": "fleet", "device": "", "point": "", "condition": "", "problem": "gateway_offline"}


def test_a_gateway_that_is_offline_inhibits_its_sensors_silence_and_nothing_else(room: Room) -> None:
    """Those that come later as well; when it is back, each goes by its current condition."""
    before, elsewhere = (
        room.raised(device="m-1", condition="stale"),
        room.raised(gateway="gw-2", condition="stale"),
    )
    offline = room.raised(**OFFLINE)
    after, burst = room.raised(device="m-2", condition="stale"), room.raised(device="m-3")
    gas = room.raised(device="gas", condition="stale", priority=Priority.HIGHEST)
    reason = "inhibited:gateway-offline"
    everything = (before, elsewhere, offline, after, burst, gas)
    assert room.quiet(*everything) == {before.id: reason, after.id: reason}
    assert [room.told(each) for each in everything] == [1, 1, 1, 0, 1, 1]
    room.cleared(after)
    assert room.row(after).suppressed == "[]"
    room.cleared(offline)
    assert room.quiet(*everything) == {}
    assert (room.row(before).acked, room.told(before), room.row(before).changed_by) == (
        False,
        2,
        "gw-1/fleet",
    )
    assert (room.row(after).acked, room.told(after)) == (True, 0)


def test_a_source_out_of_service_inhibits_nobody(room: Room) -> None:
    """What it says is not believed."""
    meter, offline = room.raised(condition="stale"), room.raised(**OFFLINE)
    room.act(offline, Happening.OUT_OF_SERVICE)
    assert room.quiet(meter, offline) == {offline.id: "out_of_service"}
    room.act(offline, Happening.IN_SERVICE)
    assert room.quiet(meter, offline) == {meter.id: "inhibited:gateway-offline"}


def test_two_sources_inhibit_until_both_are_over(tmp_path: Path) -> None:
    """By a rule without equal labels, and one alarm that is both never inhibits itself."""
    rule = InhibitRuleSettings(
        name="storm", source_matchers=['problem=~"storm|flood"'], target_matchers=['priority="low"']
    )
    with opened(tmp_path / "x.db", SETTINGS.model_copy(update={"inhibit_rules": [rule]})) as room:
        storm = room.raised(device="a", problem="storm", priority=Priority.LOW)
        flood = room.raised(device="b", problem="flood", priority=Priority.LOW)
        target = room.raised(device="c", priority=Priority.LOW)
        assert room.quiet(storm, flood, target) == {target.id: "inhibited:storm"}
        room.cleared(storm)
        assert room.quiet(target) == {target.id: "inhibited:storm"}
        room.cleared(flood)
        assert room.quiet(target) == {}


def test_an_alarm_whose_labels_change_is_inhibited_by_what_it_is_now(room: Room) -> None:
    """It escalates to the highest priority, and is told."""
    room.raised(**OFFLINE)
    meter = room.raised(condition="stale", priority=Priority.HIGH)
    worse = room.raised(condition="stale", priority=Priority.HIGHEST)
    assert room.quiet(meter, worse) == {}
    assert room.told(worse) == 1


def test_rules_that_are_gone_from_the_settings_let_their_targets_go_at_the_next_start(room: Room) -> None:
    """And new ones take hold."""
    meters = [room.raised(device=f"m-{number}", condition="stale") for number in range(300)]
    room.raised(**OFFLINE)
    assert len(room.quiet(*meters)) == 300
    room.settings = AlarmSettings(inhibit_rules=[])
    room.restart()
    room.turn()
    assert room.quiet(*meters) == {}
    room.settings = SETTINGS
    room.restart()
    room.turn()
    assert len(room.quiet(*meters)) == 300


def test_labels_have_line_and_area_of_the_device(room: Room) -> None:
    """A silence may name them; the part of the device counts where the alarm names none."""
    room.knows("gw-1", "main", "rs485-1", "5001030132000009")
    burst = room.raised(part="")
    row = room.row(burst)
    assert (row.line, row.part, row.area) == ("rs485-1", "5001030132000009", "500103")
    silenced(room, 'line="rs485-1"', 'area=~"5001.*"')
    assert set(room.quiet(burst)) == {burst.id}


def test_a_silence_holds_from_its_beginning_to_its_end(room: Room) -> None:
    """It changes nothing about the alarm, ends by itself, and its end is on the trail."""
    burst = room.raised()
    version = room.row(burst).version
    silence_id = silenced(room, 'problem="pipe_burst"', after_ms=60_000)
    assert room.quiet(burst) == {}
    room.passes(60)
    assert room.quiet(burst) == {burst.id: f"silenced:{silence_id}"}
    room.restart()
    room.passes(3600)
    assert room.quiet(burst) == {}
    assert room.trail() == [("wang", "silence.begin"), ("centre", "silence.over")]
    assert room.row(burst).version == version


def test_silences_are_bounded_in_number_and_length(room: Room) -> None:
    """And one that is over makes room."""
    for _ in range(3):
        silenced(room, 'gateway="gw-1"')
    with pytest.raises(SilenceError, match=r"3 silences already \(silences_max\)"):
        silenced(room, 'gateway="gw-1"')
    room.passes(3600)
    silenced(room, 'gateway="gw-1"')
    with pytest.raises(SilenceError, match=r"24 h at most \(silence_max_h\)"):
        silenced(room, 'gateway="gw-1"', for_ms=25 * HOUR_MS)


def test_what_a_flood_was_is_summarised(room: Room) -> None:
    """It begins with the eleventh alarm in ten minutes, and ends when fewer than five are left there."""
    for number in range(10):
        room.raised(device=f"d-{number}")
        room.now_ms += 1_000
    assert not told_floods(room)
    room.raised(device="d-10", problem="no_data")
    [(began, ended, _, _)] = told_floods(room)
    assert (began, ended) == (NOW_MS + 10_000, None)
    live = read(room).floods[0]
    assert (live.count, live.problems) == (11, {"pipe_burst": 10, "no_data": 1})
    room.passes(590 + 5)
    assert told_floods(room)[0][1] is None
    room.restart()
    room.passes(60)
    [(_, ended, count, summary)] = told_floods(room)
    assert (ended, count) == (room.now_ms, 11)
    assert json.loads(summary)["areas"] == {"500103": 11}


def told_floods(room: Room) -> list[tuple[int, int | None, int, str]]:
    """Return the floods that are written down."""
    query = select(floods.c.began_ms, floods.c.ended_ms, floods.c.alarms, floods.c.summary)
    return [
        (row[0], row[1], row[2], row[3]) for row in room.database.read_now(lambda db: db.execute(query).all())
    ]


def read(room: Room) -> figures.Figures:
    """Return the figures of now."""
    return room.database.read_now(
        lambda db: figures.read(db, room.now_ms, stale_ms=room.settings.stale_ms, flood=room.settings.flood)
    )


def test_the_figures_are_those_of_the_last_day(room: Room) -> None:
    """By windows of ten minutes, sources and priorities; what is beyond its target is named."""
    room.raised(device="old")
    room.passes(86_400)
    for number in range(4):
        room.cleared(room.raised(device="busy", priority=Priority.LOW))
        room.passes(700 + number)
    room.raised(device="loud", priority=Priority.HIGHEST)
    now = read(room)
    assert (now.last_day, now.last_10min, now.per_10min_peak) == (5, 1, 1)
    assert now.per_10min_mean == round(5 / 144, 3)
    assert [(each.device, each.count, each.share) for each in now.top] == [("busy", 4, 0.8), ("loud", 1, 0.2)]
    assert now.shares == {"low": 0.8, "medium": 0.0, "high": 0.0, "highest": 0.2}
    assert (now.standing.active, now.standing.unacked, now.standing.stale) == (2, 3, 1)
    assert now.beyond == ["shares"]


def test_what_is_set_aside_is_in_its_own_list_alone(room: Room) -> None:
    """Three lists, and none of them is that of the active."""
    names = ("shelved", "suppressed", "out", "active")
    shelved, suppressed, out, _ = (room.raised(device=name) for name in names)
    room.act(shelved, Happening.SHELVED, for_ms=1_000)
    room.act(suppressed, Happening.SUPPRESSED, reason="tests")
    room.act(out, Happening.OUT_OF_SERVICE)
    standing = read(room).standing
    assert (standing.active, standing.unacked) == (1, 1)
    assert (standing.shelved, standing.suppressed, standing.out_of_service) == (1, 1, 1)
