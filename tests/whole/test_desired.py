"""Documents from the centre's interface to a gateway's disk, in real processes, whatever forgets it."""

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import backup
from tests.faults.desired_site import DISTRICT, Site, counted
from tests.faults.failing_disk import FailingDisk

PLAN = "lamp_plan"
OURS = "gw-1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with one gateway, which has a plan in force."""
    site = Site(tmp_path, {OURS: ""})
    with site.running():
        asyncio.run(site.known())
        assert in_force(site, pushed(site, 1))
        yield site
        assert site.fallen == []


def pushed(site: Site, number: int) -> dict[str, int]:
    """Push a plan; return its sequence."""
    return asyncio.run(site.push(PLAN, {OURS: {"plan": number}}))


def in_force(site: Site, sequences: dict[str, int]) -> bool:
    """Wait until it is in force; say whether it is."""
    return not asyncio.run(site.in_force(PLAN, sequences))


def test_a_gateway_that_was_away_gets_its_plan_though_broker_and_centre_have_forgotten_and_restarted(
    site: Site,
) -> None:
    """Neither a wiped broker nor a killed centre loses it; offline and after its start the former holds."""
    gateway = site.children[OURS]
    gateway.kill()
    site.centre.kill()
    site.start_centre()
    second = pushed(site, 2)
    site.broker.kill()
    site.broker.wipe()
    gateway.start()
    site.centre.kill()
    site.broker.start()
    site.start_centre()
    assert in_force(site, second)
    [plan] = (site.folder / OURS / "desired").glob("lamp_plan.2.*.jws")
    assert plan.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("greets", [False, True])
def test_a_centre_that_is_put_back_numbers_on_from_what_the_gateway_took(site: Site, greets: bool) -> None:
    """A push after the restore gets through; after a hello of the gateway's it has its number at once."""
    data = site.folder / "centre"
    backup.take(data, site.folder / "backup", district=DISTRICT, now_ms=1, progress=lambda *_: None)
    for number in (2, 3):
        assert in_force(site, pushed(site, number))
    assert site.centre.end() == 0
    backup.put_back(site.folder / "backup", data, district=DISTRICT, replace=True, progress=lambda *_: None)
    site.start_centre()
    if greets:
        site.children[OURS].kill()
        site.children[OURS].start()
        asyncio.run(site.holding(PLAN, {OURS: 3}))
    assert pushed(site, 4)[OURS] in ([4] if greets else [2, 4])  # it may say hello by itself
    assert in_force(site, {OURS: 4})
    assert asyncio.run(site.states(PLAN))[OURS]["in_force"] == 4


def test_a_gateway_that_pins_no_key_says_so_and_gets_its_plan_once_it_does(site: Site) -> None:
    """What it has stays in force; nobody needs to push again."""
    gateway, settings = site.children[OURS], site.folder / f"{OURS}.toml"
    gateway.end()
    text = settings.read_text()
    settings.write_text(text.replace("public_keys", "# public_keys"))
    gateway.start()
    second = pushed(site, 2)
    assert asyncio.run(site.in_force(PLAN, second, 3)) == {OURS}
    state = asyncio.run(site.states(PLAN))[OURS]
    assert (state["state"], state["refusal"], state["in_force"]) == ("refused", "no_key", 1)
    assert "write public_keys in [centre] of the settings" in state["reason"]
    gateway.end()
    settings.write_text(text)
    gateway.start()
    assert in_force(site, second)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_does_not_take_a_plan_is_told_and_gets_it_later(
    site: Site, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the former is in force; the centre sends again by itself."""
    disk = FailingDisk(site.folder, f"{OURS}/desired")
    gateway = site.children[OURS]
    gateway.end()
    with monkeypatch.context() as environment:
        for name in ("LD_PRELOAD", "FAILING_DISK_FOLDER", "FAILING_DISK_CONTROL"):
            environment.setenv(name, disk.environment[name])
        disk.refuse(number)
        gateway.start()
    second = pushed(site, 2)
    assert asyncio.run(site.in_force(PLAN, second, 3)) == {OURS}
    state = asyncio.run(site.states(PLAN))[OURS]
    assert (state["state"], state["refusal"], state["in_force"]) == ("refused", "storage_unavailable", 1)
    disk.work()
    assert in_force(site, second)
    assert counted(site.reports(OURS))["storage_unavailable"] >= 1
