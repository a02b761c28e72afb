"""The stored plan over restarts with other settings: documents on disk and lamps together."""

import asyncio
from functools import partial
from pathlib import Path

from contract.desired import DesiredKind
from contract.signing import KeyRing
from edge.desired.documents import Documents
from edge.desired.judging import Verifier, of_body
from edge.lamps.executor import Lamps
from edge.lamps.settings import Lighting
from tests.edge.desired.making import KEY, Clock, End, signed
from tests.edge.lamps.test_executor import fixtures, plan

BODY = plan(count=2, at_12=0, at_18=100).replace('"g"', '"gw-1"').replace("g/*", "gw-1/*")


def life(folder: Path, count: int, *messages: bytes) -> tuple[End, Lamps]:
    """Let a gateway with so many lamps live for a second, while the broker sends what it retained."""
    lamps = Lamps("gw-1", fixtures(count), Lighting(), lambda: "f" * 32)
    validators = {kind: of_body(partial(lamps.problems, kind)) for kind in DesiredKind}
    clock = Clock()
    end = End(folder, Verifier(KeyRing([KEY.public.line]), "north", "gw-1", validators), clock)
    end.refuses = lambda body: lamps.in_force("lamp_plan", body, clock.now())[0]

    async def story(end: End, documents: Documents) -> None:
        for message in messages:
            documents.offer("lamp_plan", message, retained=True)
        await asyncio.sleep(1)
        end.in_force = documents.in_force.get("lamp_plan")

    return end.live(story), lamps


def test_a_lamp_more_in_the_settings_costs_no_stored_plan(tmp_path: Path) -> None:
    """A technician adds one and restarts: the plan stands, and still does when the lamp is out again."""
    first = signed(1, body=BODY)
    end, _ = life(tmp_path, 2, first)
    assert end.outcomes == [("in_force", 1, "")]
    for count in (3, 2, 1):
        end, lamps = life(tmp_path, count, first)
        assert (end.outcomes, end.in_force) == ([], 1)
        assert lamps.program.plan is not None


def test_what_arrives_is_held_against_the_settings(tmp_path: Path) -> None:
    """A new plan for other lamps is refused, and the stored one stands."""
    life(tmp_path, 2, signed(1, body=BODY))
    end, lamps = life(tmp_path, 3, signed(2, body=BODY))
    assert (end.outcomes, end.in_force) == ([("refused", 2, "invalid")], 1)
    assert lamps.program.plan is not None
