"""Lamps through a whole gateway on virtual time: real settings, driver, buffer file; a simulated cabinet."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from contract.samples import ClockState
from edge.lamps.events import Happened
from lighting.commands import Reason
from tests.edge.lamps.street import FOUR_PM_MS, HOUR_S, MINUTE_S, Street, plan, settings

LAMPS = [f"lamp-{number}" for number in range(11, 19)]
CIRCUITS = ["north", "south"]
DIMMED = {"12:00:00": 100, "16:20:00": 40}
"""Full light from noon, and 40 per cent from twenty minutes after the story's begin."""
FED = {"12:00:00": 0, "16:02:00": 100}
ALWAYS_FED = {"12:00:00": 100}


def street(
    tmp_path: Path,
    *story: tuple[float, str, str],
    circuits: dict[str, int] | None = None,
    lighting: str = "",
) -> Street:
    """Return the whole cabinet with the usual plan in store."""
    made = Street(tmp_path, settings(lighting=lighting), story)
    made.documents["lamp_plan"] = plan(DIMMED, circuits or ALWAYS_FED, LAMPS, CIRCUITS)
    return made


def levels(street: Street) -> list[int]:
    """Return what all lamps give."""
    return [street.level(number) for number in range(11, 19)]


def sent(street: Street, lamp: str) -> list[tuple[int, int, str]]:
    """Return (level, attempt, how) of every command to a lamp."""
    events = street.told(lamp, Happened.SENT)
    return [(it.command.level if it.command else -1, it.attempt, it.told) for it in events]


def test_lamps_follow_the_stored_plan_with_no_link(tmp_path: Path) -> None:
    """Circuits first, lamps when they have their supply, all dimmed by one broadcast, each one proved."""
    subject = street(tmp_path, circuits=FED)
    seen: list[list[int]] = []

    async def story(street: Street) -> None:
        for minute in (1, 5, 19, 22):
            await asyncio.sleep(minute * MINUTE_S - asyncio.get_running_loop().time())
            seen.append(levels(street))

    subject.run(story)
    assert seen == [[0] * 8, [100] * 8, [100] * 8, [40] * 8]
    assert subject.surprises() == []
    for lamp in LAMPS:
        assert sent(subject, lamp) == [(40, 1, "broadcast")]  # at 100 they came up by themselves
        [_, proved] = subject.told(lamp, Happened.PROVED)
        assert proved.level == 40
        assert proved.command is not None
        assert proved.command.reason is Reason.PROGRAM
        assert proved.now.wall_ms - FOUR_PM_MS < 21 * MINUTE_S * 1000


def test_circuits_are_switched_on_one_after_the_other(tmp_path: Path) -> None:
    """Two contactors never close at once: that is what the stagger is for."""
    subject = street(tmp_path, circuits=FED, lighting="stagger_s = 20")
    subject.run(lambda _street: asyncio.sleep(4 * MINUTE_S))
    times = [subject.told(name, Happened.SENT)[0].now.s for name in CIRCUITS]
    assert times[1] - times[0] >= 20


def test_after_a_death_what_is_due_now_is_applied_and_what_was_missed_is_not(tmp_path: Path) -> None:
    """It dies, misses two switch points, and commands each lamp once; dying again, it commands none."""
    subject = street(tmp_path)
    more = {"12:00:00": 100, "16:20:00": 40, "16:30:00": 70}
    subject.documents["lamp_plan"] = plan(more, ALWAYS_FED, LAMPS, CIRCUITS)

    async def story(street: Street) -> None:
        await asyncio.sleep(10 * MINUTE_S)
        await street.kill()
        street.happened.clear()
        await asyncio.sleep(25 * MINUTE_S)
        assert levels(street) == [100] * 8  # they hold what they had
        await street.start()
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [70] * 8
        assert all([it[:2] for it in sent(street, lamp)] == [(70, 1)] for lamp in LAMPS)
        await street.kill()
        street.happened.clear()
        await street.start()
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [70] * 8

    subject.run(story)
    assert not any(sent(subject, lamp) for lamp in [*LAMPS, *CIRCUITS])
    assert subject.raised() == []


def test_who_missed_a_broadcast_is_commanded_again_alone(tmp_path: Path) -> None:
    """One lamp did not hear it: it is found by reading it back, and no other is asked twice."""
    subject = street(
        tmp_path,
        (19 * MINUTE_S + 58, "lamp_mute", "lamp-12"),
        (20 * MINUTE_S + 8, "lamp_repaired", "lamp-12"),
    )

    async def story(street: Street) -> None:
        await asyncio.sleep(20 * MINUTE_S + 14)
        assert levels(street) == [40, 100, *[40] * 6]
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)
    assert sent(subject, "lamp-12") == [(40, 1, "broadcast"), (40, 2, "")]
    assert all(sent(subject, lamp) == [(40, 1, "broadcast")] for lamp in LAMPS if lamp != "lamp-12")
    assert subject.raised() == []


def test_a_lamp_that_answers_nobody_is_tried_so_often_and_is_one_failure(tmp_path: Path) -> None:
    """Retries have an end; the alarm is raised once and cleared when it answers; then it gets its command."""
    subject = street(
        tmp_path, (19 * MINUTE_S, "lamp_mute", "lamp-12"), (27 * MINUTE_S, "lamp_repaired", "lamp-12")
    )

    async def story(street: Street) -> None:
        await asyncio.sleep(26 * MINUTE_S)
        assert [it[1] for it in sent(street, "lamp-12")] == [1, 2, 3, 4]
        [failed] = street.told("lamp-12", Happened.FAILED)
        assert failed.told == "timeout"
        assert street.raised() == [("communication_failure", "lamp-12")]
        assert street.cleared() == []
        await asyncio.sleep(3 * MINUTE_S)
        assert street.level(12) == 40

    subject.run(story)
    assert subject.raised() == [("communication_failure", "lamp-12")]
    assert subject.cleared() == [("communication_failure", "lamp-12")]


def test_a_lamp_found_failed_tonight_and_tomorrow_is_one_problem(tmp_path: Path) -> None:
    """Two nights, the dark day between them with its restart, and the repair: one alarm, cleared by light."""
    text = settings([11, 14], ["north"], interval_s=60, lighting="proof_s = 200\non_delay_s = 180")
    night = {"12:00:00": 0, "17:00:00": 100, "19:00:00": 0}
    subject = Street(
        tmp_path, text, [(60, "lamp_fails", "lamp-14"), (26 * HOUR_S, "lamp_repaired", "lamp-14")]
    )
    subject.documents["lamp_plan"] = plan(night, night, ["lamp-11", "lamp-14"], ["north"])
    alarm = ("lamp_failure", "lamp-14")

    async def story(street: Street) -> None:
        await asyncio.sleep(0.9 * HOUR_S)
        assert street.raised() == []  # by day nothing can be known
        await asyncio.sleep(2 * HOUR_S)
        assert street.raised() == [alarm]
        await asyncio.sleep(HOUR_S)  # no supply any more
        await street.kill()
        await asyncio.sleep(20.5 * HOUR_S)
        await street.start()
        await asyncio.sleep(1.5 * HOUR_S)  # the next night
        assert street.raised() == [alarm]
        assert street.cleared() == []
        await asyncio.sleep(0.5 * HOUR_S)

    subject.run(story)
    assert subject.raised() == [alarm]
    assert subject.cleared() == [alarm]


def test_a_day_without_supply_raises_nothing_and_sends_nothing_to_lamps(tmp_path: Path) -> None:
    """Behind a feeder that is off by plan a lamp is unpowered: no command, no alarm."""
    subject = street(tmp_path, circuits={"12:00:00": 0})
    subject.run(lambda _street: asyncio.sleep(40 * MINUTE_S))
    assert not any(sent(subject, lamp) for lamp in LAMPS)
    assert subject.surprises() == []


def test_when_the_supply_comes_back_lamps_get_what_is_due(tmp_path: Path) -> None:
    """They come up at full light by themselves, and their command is another."""
    subject = street(tmp_path, circuits={"12:00:00": 100, "16:18:00": 0, "16:30:00": 100})

    async def story(street: Street) -> None:
        await asyncio.sleep(29 * MINUTE_S)
        assert levels(street) == [0] * 8
        await asyncio.sleep(3 * MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)
    assert subject.surprises() == []


def test_with_an_unset_clock_lamps_are_on_until_time_is_known(tmp_path: Path) -> None:
    """Patience, full light and an alarm; the plan again and the alarm cleared as soon as the clock is set."""
    subject = street(tmp_path, lighting="patience_s = 90")
    subject.documents["lamp_plan"] = plan({"12:00:00": 30}, ALWAYS_FED, LAMPS, CIRCUITS)

    async def story(street: Street) -> None:
        street.cabinet.truth(0)
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [30] * 8
        await street.kill()
        street.clock.set(-10 * 3600 * 1000, ClockState.UNSET)
        await street.start()
        await asyncio.sleep(80)
        assert levels(street) == [30] * 8
        await asyncio.sleep(MINUTE_S)
        assert levels(street) == [100] * 8
        assert street.raised() == [("lamp_clock_untrusted", "lighting-1")]
        street.clock.set(0, ClockState.SYNCHRONISED)
        await asyncio.sleep(MINUTE_S)
        assert levels(street) == [30] * 8

    subject.run(story)
    assert subject.raised() == [("lamp_clock_untrusted", "lighting-1")]
    assert subject.cleared() == [("lamp_clock_untrusted", "lighting-1")]


@pytest.mark.parametrize(("lux", "expected"), [("5", 100), ("5000", 0)])
def test_with_an_unset_clock_a_light_sensor_decides_where_there_is_one(
    tmp_path: Path, lux: str, expected: int
) -> None:
    """Dark is full light, bright is none, whatever the counted time says."""
    sensor = 'light_sensor = { point = "light/illuminance", on_level = 20, off_level = 40 }'
    subject = Street(
        tmp_path,
        settings(lighting=f"patience_s = 30\n{sensor}"),
        [(0, f'light_becomes"\nvalue = {lux}\n#"', "light")],
    )
    subject.documents["lamp_plan"] = plan({"12:00:00": 30}, {"12:00:00": 30}, LAMPS, CIRCUITS)

    async def story(street: Street) -> None:
        street.clock.set(0, ClockState.UNSET)
        await asyncio.sleep(3 * MINUTE_S)
        if expected:
            assert levels(street) == [100] * 8
            assert street.told("lamp-11", Happened.COMMANDED)[-1].command.reason is Reason.SENSOR  # type: ignore[union-attr]
        else:
            assert levels(street) == [0] * 8

    subject.run(story)
    assert subject.raised() == [("lamp_clock_untrusted", "lighting-1")]


def test_without_a_plan_lamps_are_on_and_that_is_told(tmp_path: Path) -> None:
    """In doubt a street is lit; a plan that comes takes it back."""
    subject = street(tmp_path, lighting="patience_s = 30")
    body = subject.documents.pop("lamp_plan")

    async def story(street: Street) -> None:
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [100] * 8
        assert street.raised() == [("no_lamp_plan", "lighting-1")]
        await asyncio.sleep(20 * MINUTE_S)
        assert street.gateway.in_force("lamp_plan", body) == []
        await asyncio.sleep(MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)
    assert subject.cleared() == [("no_lamp_plan", "lighting-1")]


def test_an_override_ends_in_what_is_due_then(tmp_path: Path) -> None:
    """It begins at level 30, the program goes on beneath it, and its end gives that back, not the former."""
    subject = street(tmp_path)
    override = {
        "lamps": ["lamp-11", "lamp-12"],
        "level": 30,
        "start_ms": FOUR_PM_MS + 10 * 60_000,
        "expiration_ms": FOUR_PM_MS + 25 * 60_000,
        "reason": "works",
    }
    subject.documents["lamp_overrides"] = json.dumps({"overrides": [override]})
    seen: list[list[int]] = []

    async def story(street: Street) -> None:
        for minute in (9, 12, 22, 27):
            await asyncio.sleep(minute * MINUTE_S - asyncio.get_running_loop().time())
            seen.append(levels(street))

    subject.run(story)
    assert seen == [[100] * 8, [30, 30, *[100] * 6], [30, 30, *[40] * 6], [40] * 8]
    assert [it[0] for it in sent(subject, "lamp-11")] == [30, 40]
    [begun] = [
        it for it in subject.told("lamp-11", Happened.COMMANDED) if it.command and it.command.level == 30
    ]
    assert begun.command is not None
    assert (begun.command.reason, begun.command.told) == (Reason.OVERRIDE, "works")


def test_a_clock_step_over_a_switch_point_doubles_nothing(tmp_path: Path) -> None:
    """Time leaps over it and back: each time what is due is sent once, and the point itself sends nothing."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await asyncio.sleep(10 * MINUTE_S)
        street.clock.set(15 * 60_000, ClockState.SYNCHRONISED)
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [40] * 8
        street.clock.set(0, ClockState.SYNCHRONISED)
        await asyncio.sleep(2 * MINUTE_S)
        assert levels(street) == [100] * 8
        await asyncio.sleep(8 * MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)
    assert all([it[0] for it in sent(subject, lamp)] == [40, 100, 40] for lamp in LAMPS)


def test_a_local_switch_is_told_and_not_fought(tmp_path: Path) -> None:
    """While it stands at local no contactor is commanded; at remote again, what is due is sent."""
    subject = street(
        tmp_path,
        (10 * MINUTE_S, "local_override_on", "meter"),
        (30 * MINUTE_S, "local_override_off", "meter"),
        circuits={"12:00:00": 100, "16:15:00": 0},
    )

    async def story(street: Street) -> None:
        await asyncio.sleep(29 * MINUTE_S)
        assert all(levels(street))
        street.happened.clear()
        await asyncio.sleep(4 * MINUTE_S)
        assert levels(street) == [0] * 8

    subject.run(story)
    assert [it[0] for it in sent(subject, "north")] == [0]
    assert subject.raised() == [("local_override", "inputs")]
    assert subject.cleared() == [("local_override", "inputs")]


def test_an_input_module_that_falls_silent_frees_no_circuit(tmp_path: Path) -> None:
    """Whoever turned the switch to local may still stand there."""
    subject = street(
        tmp_path,
        (5 * MINUTE_S, "local_override_on", "meter"),
        (8 * MINUTE_S, "device_dies", "inputs"),
        (13 * MINUTE_S, "device_revives", "inputs"),
        circuits={"12:00:00": 0, "16:06:00": 100},
    )
    subject.run(lambda _street: asyncio.sleep(15 * MINUTE_S))
    assert not any(sent(subject, circuit) for circuit in CIRCUITS)
    assert subject.raised() == [("local_override", "inputs")]


def test_a_contactor_that_sticks_is_a_switching_error(tmp_path: Path) -> None:
    """Its feedback says so: one alarm for the circuit, none for its lamps, which burn as they should not."""
    subject = street(
        tmp_path, (10 * MINUTE_S, "contactor_sticks", "south"), circuits={"12:00:00": 100, "16:15:00": 0}
    )
    subject.run(lambda _street: asyncio.sleep(25 * MINUTE_S))
    assert ("switching_error_off", "relays") in subject.raised()
    assert all(device != "lamp-11" for _, device in subject.raised())


def test_behind_a_tripped_breaker_nobody_has_failed(tmp_path: Path) -> None:
    """One alarm, the breaker's; when it is reset the lamps get what is due by then."""
    subject = street(
        tmp_path, (10 * MINUTE_S, "breaker_trips", "north"), (25 * MINUTE_S, "breaker_reset", "north")
    )

    async def story(street: Street) -> None:
        await asyncio.sleep(24 * MINUTE_S)
        assert levels(street) == [*[0] * 4, *[40] * 4]
        await asyncio.sleep(4 * MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)
    assert subject.raised() == [("circuit_breaker_tripped", "inputs")]
    assert subject.cleared() == [("circuit_breaker_tripped", "inputs")]


def test_without_a_disk_lamps_go_on(tmp_path: Path) -> None:
    """Nothing that is kept is needed to switch: a gateway without recorder and buffer follows the plan."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await street.stop()
        street.happened.clear()
        await street.start(disk=False)
        await asyncio.sleep(22 * MINUTE_S)
        assert levels(street) == [40] * 8

    subject.run(story)


def test_each_failure_gets_its_class(tmp_path: Path) -> None:
    """What each lamp does wrong is told by TALQ's name, once, and the sound ones are left alone."""
    wrong = {
        "lamp-11": ("lamp_fails", "lamp_failure"),
        "lamp-12": ("lamp_draws_much", "lamp_power_too_high"),
        "lamp-13": ("lamp_draws_little", "lamp_power_too_low"),
        "lamp-14": ("lamp_dims_wrong", "dimming_failure"),
        "lamp-15": ("lamp_mute", "communication_failure"),
        "lamp-17": ("lamp_cycles", "cycling_failure"),
        "lamp-18": ("lamp_leaks", "leakage_detected"),
    }
    subject = street(tmp_path, *((60.0, what, lamp) for lamp, (what, _) in wrong.items()))
    subject.run(lambda _street: asyncio.sleep(30 * MINUTE_S))
    assert subject.gateway.lamps.failures("lamp-11") == ["lamp_failure"]
    dark, lit = (subject.told(lamp, Happened.MEASURED)[-1] for lamp in ("lamp-11", "lamp-16"))
    assert (dark.burns, lit.burns, dark.powered, lit.powered) == (False, True, True, True)
    assert dark.energy_wh is not None
    assert lit.energy_wh is not None
    assert lit.energy_wh > 10 * dark.energy_wh > 0
    raised = Counter(subject.raised())
    for lamp, (_, problem) in wrong.items():
        assert raised[problem, lamp] == 1
    assert {device for _, device in raised} == set(wrong)


def test_a_lamp_that_burns_though_commanded_off_is_told(tmp_path: Path) -> None:
    """lampUnexpectedOn: its level and its power both say so."""
    subject = street(tmp_path, (60, "lamp_sticks_on", "lamp-13"))
    subject.documents["lamp_plan"] = plan({"12:00:00": 100, "16:05:00": 0}, ALWAYS_FED, LAMPS, CIRCUITS)
    subject.run(lambda _street: asyncio.sleep(15 * MINUTE_S))
    assert subject.raised() == [("lamp_unexpected_on", "lamp-13")]


def test_a_stopping_gateway_leaves_lamps_as_they_are(tmp_path: Path) -> None:
    """Nothing is sent on the way out."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await asyncio.sleep(22 * MINUTE_S)
        street.happened.clear()
        await street.stop()
        await asyncio.sleep(HOUR_S)
        assert levels(street) == [40] * 8
        assert not any(it.what is Happened.SENT for it in street.happened)
        await street.start()

    subject.run(story)


def test_a_plan_that_asks_a_sensor_which_is_not_there_is_refused_and_one_that_was_taken_is_followed(
    tmp_path: Path,
) -> None:
    """A sensor that was taken out of the settings leaves no street without its plan."""
    subject = Street(tmp_path, settings())
    told = json.loads(plan({"12:00:00": 100}, {"12:00:00": 100}, LAMPS, ["north", "south"]))
    asks = {"kind": "sensor", "sensor": "light/illuminance", "on_level": 10, "off_level": 20}
    told["programs"][0]["active_periods"] = [asks]
    there, gone = (json.dumps(told).replace("light/", f"{device}/") for device in ("light", "lux"))

    async def story(street: Street) -> None:
        lamps = street.gateway.lamps
        assert lamps.problems("lamp_plan", there) == []
        [problem] = lamps.problems("lamp_plan", gone)
        assert problem.startswith(
            "programs[0].active_periods[0].sensor: the gateway reads no lux/illuminance; devices are inputs, "
        )
        assert street.gateway.in_force("lamp_plan", gone) == []

    subject.run(story)
