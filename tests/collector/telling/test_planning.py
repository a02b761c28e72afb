"""Who is told what, and when: played over hours on virtual time."""

import itertools
from functools import partial

from collector.telling.facts import Kind
from collector.telling.settings import TellingRules
from collector.telling.subjects import ACKNOWLEDGED_BEFORE, OVER_BEFORE
from contract.events import Priority
from tests.collector.telling.telling_world import (
    HOUR,
    MINUTE,
    NOON_MS,
    SECOND,
    World,
    directory,
    highest,
    incident,
    person,
)


def test_an_incident_is_told_after_the_group_wait_climbs_and_ends_with_one_all_clear() -> None:
    """Alertmanager's thirty seconds; then each level a quarter of an hour after the one before."""
    world = World()
    world.put(incident())
    world.run(NOON_MS + HOUR, {NOON_MS + 40 * MINUTE: lambda: world.change(1, closed_ms=world.now_ms)})
    assert world.log() == [
        (30, "first", "wang"),
        (30 + 900, "escalation", "li"),
        (30 + 1800, "escalation", "chief"),
        (2400, "all_clear", "wang"),
        (2400, "all_clear", "li"),
        (2400, "all_clear", "chief"),
    ]


def test_an_acknowledgement_ends_the_escalation() -> None:
    """Whoever was told hears of the end; nobody else of anything."""
    world = World()
    world.put(incident())
    world.run(
        NOON_MS + 6 * HOUR,
        {
            NOON_MS + 10 * MINUTE: lambda: world.change(1, acked_ms=world.now_ms),
            NOON_MS + 5 * HOUR: lambda: world.change(1, closed_ms=world.now_ms),
        },
    )
    assert world.log() == [(30, "first", "wang"), (5 * 3600, "all_clear", "wang")]


def test_at_the_end_the_last_level_is_told_again_so_often_and_then_each_repeat_interval() -> None:
    """It is bounded; the rest is what Alertmanager does."""
    world = World(rules=TellingRules(escalation_repeats_max=2))
    world.put(incident())
    world.run(NOON_MS + 4 * HOUR)
    chief = [(at, kind) for at, kind, name in world.log() if name == "chief"]
    assert chief == [(1830, "escalation"), (2730, "escalation"), (3630, "escalation")]
    world.run(NOON_MS + 6 * HOUR)
    assert [(at, kind) for at, kind, name in world.log() if name == "chief"][3:] == [(3630 + 14400, "update")]


def test_the_highest_priority_is_told_at_once_by_itself_whatever_the_hour_and_the_budget() -> None:
    """Each alarm of an incident is told; its incident is told with them."""
    quiet = [{"from": "00:00", "to": "23:59"}]
    world = World(directory(person("wang", quiet_hours=quiet, messages_per_hour_max=1)))
    both = highest(1).highest + highest(2).highest
    world.put(incident(1, priority=Priority.HIGHEST, highest=both))
    world.look()
    assert world.log() == [(0, "first", "wang"), (0, "first", "wang")]
    assert [each.alarm for each in world.sent] == [alarm.key for alarm in both]
    world.run(NOON_MS + 20 * SECOND)
    assert len(world.sent) == 2


def test_a_highest_alarm_that_is_over_already_is_told_all_the_same() -> None:
    """The centre may have been down while it came and went."""
    world = World()
    world.put(highest(closed_ms=NOON_MS))
    world.run(NOON_MS + HOUR)
    assert world.log() == [(0, "first", "wang")]


def test_a_highest_alarm_that_joins_later_is_told_by_itself_and_climbs_anew() -> None:
    """Though somebody acknowledged the incident before."""
    world = World()
    world.put(incident())
    world.run(NOON_MS + MINUTE)
    world.change(1, acked_ms=world.now_ms)
    world.run(NOON_MS + 10 * MINUTE)
    world.now_ms = NOON_MS + 10 * MINUTE
    world.change(1, priority=Priority.HIGHEST, highest=highest(7, world.now_ms).highest)
    world.run(NOON_MS + 16 * MINUTE)
    assert world.log() == [(30, "first", "wang"), (600, "first", "wang"), (900, "escalation", "li")]


def test_what_comes_and_goes_within_the_group_wait_is_told_to_nobody() -> None:
    """As Alertmanager has it; the reason is kept."""
    world = World()
    world.put(incident(1), incident(2))
    world.run(
        NOON_MS + HOUR,
        {
            NOON_MS + 20 * SECOND: lambda: world.change(1, closed_ms=world.now_ms),
            NOON_MS + 25 * SECOND: lambda: world.change(2, acked_ms=world.now_ms),
        },
    )
    assert world.log() == []
    assert world.told[f"{1:032x}", ""].reason == OVER_BEFORE
    assert world.told[f"{2:032x}", ""].reason == ACKNOWLEDGED_BEFORE


def test_updates_come_with_the_group_interval_and_only_when_something_grew() -> None:
    """A member more is nothing; twice the members and a higher priority are."""
    world = World()
    world.put(incident(priority=Priority.MEDIUM))
    world.run(
        NOON_MS + 14 * MINUTE,
        {
            NOON_MS + 60 * SECOND: lambda: world.change(1, members=2),
            NOON_MS + 70 * SECOND: lambda: world.change(1, members=9),
            NOON_MS + 80 * SECOND: lambda: world.change(1, members=10),
            NOON_MS + 400 * SECOND: lambda: world.change(1, priority=Priority.HIGH),
        },
    )
    assert world.log() == [(30, "first", "wang"), (330, "update", "wang"), (630, "update", "wang")]


def test_what_is_quiet_is_told_when_it_no_longer_is() -> None:
    """By its condition at that time."""
    world = World()
    world.put(incident(quiet="shelved"))
    world.run(
        NOON_MS + 70 * MINUTE,
        {
            # a shelving that ends changes no incident: it is looked for
            NOON_MS + HOUR + SECOND: lambda: world.facts.update({f"{1:032x}": incident(version=1)}),
        },
    )
    assert world.log() == [(3630, "first", "wang")]


def test_many_at_once_are_one_summary_and_a_storm_stays_small() -> None:
    """A thousand incidents in ten minutes: everybody is told everything, in few messages."""
    world, story = World(), {}
    for second in range(5, 605, 6):
        story[NOON_MS + second * SECOND] = partial(world.begin, *range(second * 10, second * 10 + 10))
    world.run(NOON_MS + 10 * MINUTE, story)
    assert len(world.sent) <= 10
    assert {each.kind for each in world.sent} == {Kind.SUMMARY}
    world.run(NOON_MS + 20 * MINUTE)
    firsts = [each for each in world.firsts() if each[0] == "wang"]
    assert len(firsts) == len(set(firsts)) == 1000


def test_quiet_hours_hold_back_and_end_with_one_summary() -> None:
    """What was over by then is in it; what one person sleeps through climbs to the next."""
    asleep = person("wang", quiet_hours=[{"from": "12:00", "to": "15:30"}])
    world = World(
        directory(
            asleep, person("li"), on_call=[{"name": "all", "levels": [["wang"], ["li"]]}], fallback="li"
        )
    )
    world.put(incident(1), incident(2))
    world.run(NOON_MS + 2 * HOUR, {NOON_MS + HOUR: lambda: world.change(1, closed_ms=world.now_ms)})
    assert {name for _, _, name in world.log()} == {"li"}
    assert world.log()[0] == (930, "escalation", "li")
    world.change(2, acked_ms=None)
    world.run(NOON_MS + 3 * HOUR + 31 * MINUTE)
    wang = [each for each in world.sent if each.person == "wang"]
    assert [(each.at_ms, len(each.items)) for each in wang[:1]] == [
        (NOON_MS + 3 * HOUR + 30 * MINUTE, 1)
    ] or (sorted(item.incident_id for item in wang[0].items) == [f"{1:032x}", f"{2:032x}"])


def test_a_budget_bounds_every_hour() -> None:
    """Six in any hour; the rest of them waits, and none is lost."""
    world = World(directory(person("wang", messages_per_hour_max=6)))
    story = {NOON_MS + minute * MINUTE: partial(world.begin, minute) for minute in range(1, 181)}
    world.run(NOON_MS + 5 * HOUR, story)
    times = [each.at_ms for each in world.sent]
    assert max(sum(at <= each < at + HOUR for each in times) for at in times) <= 6
    assert max(after - before for before, after in itertools.pairwise(times)) <= 21 * MINUTE
    firsts = list(world.firsts())
    assert len(firsts) == len(set(firsts)) == 180


def test_the_same_state_planned_again_plans_nothing_twice() -> None:
    """A restart in the middle changes nothing: ids follow from what they tell."""
    world = World()
    world.put(*(incident(number) for number in range(1, 4)), highest(9))
    world.run(NOON_MS + 20 * MINUTE)
    before = len(world.sent)
    for _ in range(3):
        world.look()
    assert len(world.sent) == before
    assert len({each.id for each in world.sent}) == before


def test_whoever_is_nearest_is_told_first() -> None:
    """Then the next ones of the same level, then the next level."""
    people = directory(
        person("far", position=[106.9, 29.9]),
        person("near", position=[106.55, 29.56]),
        person("here", areas=["500103"]),
        person("chief"),
        on_call=[{"name": "all", "nearest": 1, "levels": [["here", "far", "near"], ["chief"]]}],
    )
    world = World(people)
    world.put(incident(position=(106.56, 29.56)))
    world.run(NOON_MS + 50 * MINUTE)
    assert [name for _, _, name in world.log()] == ["near", "far", "here", "chief"]


def test_who_left_the_file_is_told_nothing_more() -> None:
    """And holds up nobody."""
    world = World()
    world.put(incident())
    world.run(NOON_MS + MINUTE)
    world.people = directory(person("li"))
    world.change(1, closed_ms=world.now_ms)
    world.run(NOON_MS + HOUR)
    assert world.log() == [(30, "first", "wang")]
    assert world.told[f"{1:032x}", ""].done
