"""The lit rate from the lamp to the month's report, against a count by hand of what the lamps truly did.

A gateway before a simulated cabinet lives from four in the afternoon to noon on virtual time; what it tells
goes byte by byte into a centre's journal, its projection and its report. The other count knows nothing of all
that: it looks at the simulated lamps once a minute, and at the story for when nobody could have seen them.
"""

import asyncio
import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from collector.intake import Received
from contract import topics
from contract.topics import Lane
from tests.collector.lamps.making import HOUR_MS, noon_ms
from tests.collector.making import Clock, given, projected, standing
from tests.collector.making import settings as of_centre
from tests.collector.test_api import asked, told
from tests.edge.lamps.street import GATEWAY, HOUR_S, MINUTE_S, Street, plan, settings

LAMPS = [f"lamp-{number}" for number in range(11, 19)]
CIRCUITS = {"north": "inputs/input_3", "south": "inputs/input_5"}
"""What shows that a circuit's contactor is closed."""
LEVELS = {"12:00:00": 0, "18:00:00": 100, "23:00:00": 50, "06:00:00": 0}
FED = {"12:00:00": 0, "17:30:00": 100, "07:00:00": 0}
FOUR_PM_H, TOLD_H = 16, 36.1
"""Hours of the day on which the story begins; the night is told at noon of the next."""

Story = tuple[tuple[float, str, str], ...]
"""(hour, what, to whom); hours count on over midnight."""

# What befalls the lamps, and what becomes of their twelve hours from 18:00 to 06:00:
#
#  lamp-11  nothing                                              lit
#  lamp-12  fails at 20:00                                       dark for 10 h: not lit
#  lamp-13  fails at 01:00 for 30 minutes                        lit for 95.8 %: lit
#  lamp-14  fails at 01:00 for 45 minutes                        lit for 93.8 %: not lit
#  lamp-15  sticks on while its circuit is fed, until 07:00      lit; what it does by day is another matter
#  lamp-16  burns, and says nothing from 18:30 to 05:30          seen for an hour: not lit, by the rule
#  lamp-17  burns, and says nothing for 4 hours                  seen for 8 h, and then lit: lit
#  lamp-18  is dark for 2 hours, of which it says nothing        seen for 9 h, and then lit: lit
#
# The two circuits are closed from 17:30 to 07:00, and count in no rate beside their lamps. So 5 of 8 are lit.
NIGHT: Story = (
    (20, "lamp_fails", "lamp-12"),
    (25, "lamp_fails", "lamp-13"),
    (25.5, "lamp_repaired", "lamp-13"),
    (25, "lamp_fails", "lamp-14"),
    (25.75, "lamp_repaired", "lamp-14"),
    (17, "lamp_sticks_on", "lamp-15"),
    (18.5, "lamp_mute", "lamp-16"),
    (29.5, "lamp_repaired", "lamp-16"),
    (20, "lamp_mute", "lamp-17"),
    (24, "lamp_repaired", "lamp-17"),
    (24, "lamp_mute", "lamp-18"),
    (24.5, "lamp_fails", "lamp-18"),
    (26.5, "lamp_repaired", "lamp-18"),
)
UNLIT = {"lamp-12", "lamp-14", "lamp-16"}
FAILURES = {"lamp_failure": 3, "lamp_unexpected_on": 1, "communication_failure": 3}
"""Also of those that were well again in the same night."""
WORSE: Story = (*NIGHT, (19, "lamp_fails", "lamp-11"))
"""The control: one lamp more is dark, and every count must say so."""


def lived(folder: Path, story: Story) -> tuple[Street, dict[str, list[bool]]]:
    """Live through the night; return the gateway's street, and whether each burnt, minute by minute."""
    in_order = sorted(((hour - FOUR_PM_H) * HOUR_S, what, who) for hour, what, who in story)
    street = Street(folder, settings(interval_s=120, lighting="proof_s = 260"), in_order)
    street.documents["lamp_plan"] = plan(LEVELS, FED, LAMPS, [*CIRCUITS])
    burnt: dict[str, list[bool]] = {name: [] for name in (*LAMPS, *CIRCUITS)}

    async def watched(street: Street) -> None:
        for minute in range(round((TOLD_H - FOUR_PM_H) * 60)):
            at_s = minute * MINUTE_S + MINUTE_S / 2
            await asyncio.sleep(at_s - asyncio.get_running_loop().time())
            values = street.truth()
            for name, burns in burnt.items():
                burns.append(bool(values[CIRCUITS.get(name, f"{name}/actual_light_state")]))

    street.run(watched)
    return street, burnt


def unlit_by_hand(burnt: dict[str, list[bool]], story: Story) -> set[str]:
    """Return who counts as not lit: by the rule in the papers, from what lamps truly did."""
    found = set()
    for name, burns in burnt.items():
        due = range(90, 15 * 60) if name in CIRCUITS else range(2 * 60, 14 * 60)
        seen = [burns[minute] for minute in due if not is_mute(name, FOUR_PM_H + minute / 60, story)]
        if len(seen) < 0.5 * len(due) or sum(seen) < 0.95 * len(seen):
            found.add(name)
    return found


def is_mute(name: str, hour: float, story: Story) -> bool:
    """Say whether nobody can know at that hour what the lamp does."""
    told = [(at, what) for at, what, who in sorted(story) if who == name and at <= hour]
    begun = [at for at, what in told if what == "lamp_mute"]
    return bool(begun) and not any(at > begun[-1] and what == "lamp_repaired" for at, what in told)


@pytest.mark.parametrize(
    ("story", "unlit"), [(NIGHT, UNLIT), (WORSE, {*UNLIT, "lamp-11"})], ids=["night", "one-more-fails"]
)
def test_the_lit_rate_in_the_report_is_the_one_counted_by_hand(
    story: Story, unlit: set[str], tmp_path: Path
) -> None:
    """Lamp by lamp, in the report, its CSV and the gauge; a lamp more that is dark is one less everywhere."""
    street, burnt = lived(tmp_path, story)
    assert unlit_by_hand(burnt, story) == unlit
    rate = 1 - len(unlit) / len(LAMPS)
    now_ms = noon_ms("2027-01-16") + HOUR_MS
    topic = topics.up("north", GATEWAY, Lane.EVENTS)
    with standing(of_centre(tmp_path / "centre"), Clock(now_ms=now_ms)) as centre:
        outcome = given(centre, [Received(topic, message, now_ms) for message in street.messages()])
        assert not outcome.rejected
        asyncio.run(projected(centre))
        report = told(centre, "/api/v1/lamps/report", month="2027-01")
        text = asked(centre, "/api/v1/lamps/report", month="2027-01", format="csv").text
        gauges = asked(centre, "/metrics").text
    figures = report["figures"]
    assert (figures["should"], figures["lit"], figures["unseen"]) == (8, 8 - len(unlit), 1)
    assert figures["lit_rate"] == pytest.approx(rate)
    assert figures["failures"] == Counter(FAILURES) + Counter(lamp_failure=len(unlit) - len(UNLIT))
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    lit = {name: str(int(name not in unlit)) for name in LAMPS} | dict.fromkeys(CIRCUITS, "")
    assert {row["lamp"]: row["lit"] for row in rows} == lit
    assert f'lamps_lit_ratio{{district="north"}} {rate}\n' in gauges
