"""Cases on their way to platforms that misbehave: ``python -m tests.faults.platforms``.

Alarms arrive while the centre is killed (SIGKILL) again and again. Three platforms time out after they have
committed, answer 500 with and without having committed, 429, garbage, half an answer or one that drips,
redirect, and say of a key that it is in use; callbacks are lost, repeated and out of order. In the end every
case is counted at its platform: none may be missing, none may be there twice, and what the platform that has
neither key nor look-up answered badly must be on the list that waits for a person. Then a person decides on
the whole list, by what the platform has, and every case must be there once.

Some kills fall at any time, some at a chosen moment: messages are written down as being sent and nothing is
taken yet, or they are taken and not answered yet. In such a life no platform answers before it is over.

Controls: a centre that sends again whatever was not answered duplicates, one that writes down that a message
is done before it is sent loses. Each is killed at the moment at which that does harm.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.platforms_world import KEY, LAST, NEITHER, PLATFORMS, City, Moment, Street, until

ALARMS_PER_KILL = 100
KILLS = (Moment.NOTED, Moment.TAKEN, Moment.ANY, Moment.ANY)
"""One after the other, again and again."""
CONTROLS = {"sends_blindly": Moment.TAKEN, "done_before_sent": Moment.NOTED}
CONTROL_ALARMS = 12
MOMENT_S_MAX = 60.0
LIVES_S = (0.5, 3.0)
AWAY_S_MAX = 0.5
STANDSTILL_S_MAX = 300.0
"""Without any progress."""
QUIET_STATES = ("done", "needs_person")


@dataclass
class Told:
    """What was counted; cases by platform."""

    alarms: int = 0
    kills: int = 0
    moments: int = 0
    """So many kills fell at their moment."""
    cases: int = 0
    lost: int = 0
    duplicated: int = 0
    ambiguous: int = 0
    ambiguous_listed: int = 0
    waiting: int = 0
    waiting_elsewhere: int = 0
    stages_wrong: int = 0
    after_person_wrong: int = 0
    conditions: dict[str, object] = field(default_factory=dict)

    @property
    def harm(self) -> int:
        """What must be nothing."""
        unlisted = self.ambiguous - self.ambiguous_listed
        wrong = self.stages_wrong + self.after_person_wrong + self.waiting_elsewhere
        return self.lost + self.duplicated + unlisted + wrong + (self.alarms != self.cases)


async def play(
    city: City, street: Street, told: Told, kills: Sequence[Moment], chance: random.Random
) -> None:
    """Let alarms arrive while the centre is killed, then let everything settle."""
    alarms, lives = told.alarms, len(kills) + 1
    running = asyncio.create_task(street.run())
    try:
        for number, moment in enumerate(kills):
            city.spawn_centre(moment)
            await asyncio.to_thread(city.await_centre)
            share = alarms * (number + 1) // lives - street.raised
            street.alarm(share // 2)
            if moment is Moment.ANY:
                await asyncio.sleep(chance.uniform(*LIVES_S))
            else:
                told.moments += await _comes(city, moment)
            street.alarm(share - share // 2)
            await asyncio.sleep(chance.uniform(0, LIVES_S[0]))
            await asyncio.to_thread(city.kill_centre)
            await asyncio.sleep(chance.uniform(0, AWAY_S_MAX))
            if number % 10 == 9:
                print(f"{number + 1} of {lives} lives, {street.raised} alarms", file=sys.stderr, flush=True)
        city.spawn_centre()
        await asyncio.to_thread(city.await_centre)
        street.alarm(alarms - street.raised)
        await _dwindles(lambda: street.waiting, "batches of alarms are at the gateway")
        await _dwindles(lambda: _on_the_way(city, alarms), "messages are on their way")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _comes(city: City, moment: Moment) -> bool:
    """Wait for a moment; say whether it came."""
    try:
        await until(lambda: city.caught(moment), MOMENT_S_MAX, f"the moment {moment} did not come")
    except SystemExit as error:
        print(error, file=sys.stderr, flush=True)
        return False
    return True


async def _dwindles(left: Callable[[], int], what: str) -> None:
    """Wait until nothing is left, however long there is progress; SystemExit where it stands still."""
    while most := await asyncio.to_thread(left):
        await until(lambda most=most: left() < most, STANDSTILL_S_MAX, f"{most} {what}")


def _on_the_way(city: City, alarms: int) -> int:
    """Return how many alarms have no case yet, or one that is on its way; all where nobody says."""
    with contextlib.suppress(httpx.HTTPError):
        counts = city.messages()
        return alarms - sum(
            counts.get(name, {}).get(state, 0) for name in PLATFORMS for state in QUIET_STATES
        )
    return alarms


def count(city: City, told: Told) -> None:
    """Compare what the centre believes with what the platforms have."""
    rows = city.rows("SELECT case_id, platform, state FROM outbox WHERE n = 1")
    told.cases, told.kills = len(rows), city.kills
    listed = {each["case_id"] for each in city.waiting()}
    told.waiting = len(listed)
    for name in PLATFORMS:
        states = {case_id: state for case_id, platform, state in rows if platform == name}
        kept = Counter(each["case"]["id"] for each in city.kept(name))
        told.duplicated += sum(times - 1 for times in kept.values())
        told.lost += sum(state == "done" and not kept[case_id] for case_id, state in states.items())
        told.lost += sum(state not in QUIET_STATES for state in states.values())
        if name == NEITHER:
            unclear = city.unclear(name) | {it for it in kept if states.get(it) != "done"}
            told.ambiguous += len(unclear)
            told.ambiguous_listed += len(unclear & listed)
        else:
            told.waiting_elsewhere += len(listed & set(states))
        told.conditions[name] = city.figures(name)


def count_stages(city: City) -> int:
    """Return how many cases are not at the platform's last stage, there and at the centre."""
    ours = dict(city.rows("SELECT id, stage FROM cases"))
    stages = [(each["stage"], ours.get(each["case"]["id"])) for each in city.kept(KEY)]
    return sum(both != (LAST, LAST) for both in stages)


async def decide(city: City, told: Told) -> None:
    """Be the person: look at the platform, and decide on the whole list; then count again."""
    kept = {each["case"]["id"]: each["number"] for each in city.kept(NEITHER)}
    while listed := city.waiting():
        for each in listed:
            there = kept.get(each["case_id"])
            await asyncio.to_thread(city.resolve, each["id"], "taken" if there else "send_again", there or "")
        await _dwindles(lambda: _on_the_way(city, told.alarms), "messages are on their way again")
        kept = {each["case"]["id"]: each["number"] for each in city.kept(NEITHER)}
    sent = Counter(each["case"]["id"] for name in PLATFORMS for each in city.kept(name))
    ours = [case_id for (case_id,) in city.rows("SELECT id FROM cases")]
    told.after_person_wrong = sum(sent[case_id] != 1 for case_id in ours)


def played(alarms: int, kills: Sequence[Moment], seed: int, weakened: str = "") -> Told:
    """Play it in a folder of its own."""
    told = Told(alarms=alarms)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gengfu-platforms-") as name:
        city = City(Path(name), seed, weakened)

        async def story() -> None:
            street = Street(Path(name), city.broker.port)
            await play(city, street, told, kills, random.Random(seed))
            if not weakened:
                with contextlib.suppress(SystemExit):
                    await _dwindles(lambda: count_stages(city), "stages differ")
                told.stages_wrong = count_stages(city)
            await asyncio.to_thread(count, city, told)
            if not weakened:
                await decide(city, told)

        try:
            city.start()
            asyncio.run(story())
        finally:
            city.close()
    told.conditions["seconds"] = round(time.monotonic() - began_s)
    return told


def control(weakened: str, seed: int, alarms: int = CONTROL_ALARMS) -> int:
    """Return how much harm a weakened centre did, killed at its moment."""
    told = played(alarms, [CONTROLS[weakened]], seed, weakened)
    return told.duplicated if weakened == "sends_blindly" else told.lost


def main() -> None:
    """Play it and its controls, print what was counted, end with a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alarms", type=int, default=10_000)
    parser.add_argument("--kills", type=int, help=f"one for {ALARMS_PER_KILL} alarms, if it is left out")
    parser.add_argument("--control-alarms", type=int, default=CONTROL_ALARMS)
    parser.add_argument("--without-controls", action="store_true", help="The campaign alone.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    kills = max(2, given.alarms // ALARMS_PER_KILL) if given.kills is None else given.kills
    told = played(given.alarms, (KILLS * (kills // len(KILLS) + 1))[:kills], given.seed)
    figures = {
        "platform_alarms": told.alarms,
        "platform_kills": told.kills,
        "platform_kills_at_moments": told.moments,
        "platform_cases_lost": told.lost + told.alarms - told.cases,
        "platform_cases_duplicated": told.duplicated,
        "platform_ambiguous": told.ambiguous,
        "platform_ambiguous_listed": told.ambiguous_listed,
        "platform_stages_wrong": told.stages_wrong,
        "platform_wrong_after_person": told.after_person_wrong,
    }
    print(f"{figures} {told.conditions}", file=sys.stderr, flush=True)
    controls = []
    for weakened in () if given.without_controls else CONTROLS:
        print(f"control: {weakened}", file=sys.stderr, flush=True)
        harm = control(weakened, given.seed, given.control_alarms)
        figures[f"platform_control_{weakened}"] = harm
        controls.append(harm)
    for name, value in figures.items():
        print(f"{name:<40}{value:>8}")
    conditions = {"seed": given.seed, "waiting": told.waiting, **told.conditions}
    conditions["waiting_elsewhere"] = told.waiting_elsewhere
    print(json.dumps({"name": "platforms", "figures": figures, "conditions": conditions}))
    if told.harm or not all(controls):
        sys.exit(1)


if __name__ == "__main__":
    main()
