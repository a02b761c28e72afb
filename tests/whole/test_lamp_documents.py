"""A plan on its way into a gateway with lamps, in real processes: what they cannot follow is refused."""

import asyncio
import json
from pathlib import Path

from contract.desired import Outcome, Refusal
from tests.edge.lamps.test_executor import plan
from tests.faults.desired_site import Site

OURS = "gw-1"
LAMP = """
[[devices]]
name = "controller"
line = "nowhere"
unit_id = 2
profile = "street_lamp_controller"
[[lamps]]
name = "lamp-1"
output = "controller/target_light_command"
"""


def test_a_plan_for_other_lamps_is_refused_and_one_for_these_is_in_force(tmp_path: Path) -> None:
    """The refusal says which lamp is strange; the sound plan that follows is taken."""
    site = Site(tmp_path, {OURS: ""})
    with (tmp_path / f"{OURS}.toml").open("a") as file:
        file.write(LAMP)
    wrong, right = (
        json.loads(plan(count=count, at_12=60).replace('"g"', f'"{OURS}"').replace('"g/', f'"{OURS}/'))
        for count in (2, 1)
    )

    async def pushes() -> set[str]:
        await site.known()
        await site.push("lamp_plan", {OURS: wrong})
        async with asyncio.timeout(30):
            while not any(report.outcome is Outcome.REFUSED for report in site.reports(OURS)):
                await asyncio.sleep(0.1)
        return await site.in_force("lamp_plan", await site.push("lamp_plan", {OURS: right}))

    with site.running():
        assert asyncio.run(pushes()) == set()
        [refused] = [it for it in site.reports(OURS) if it.outcome is Outcome.REFUSED]
        assert refused.refusal is Refusal.INVALID
        assert f"{OURS} has no lamp 'lamp-2'" in refused.reason
        assert site.fallen == []
