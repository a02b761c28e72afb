"""A site that takes no commands: each is refused by name, whoever signed it."""

import asyncio
from pathlib import Path

from contract.events import CommandOutcome, CommandResult
from edge.buffer.keeper import Inline
from edge.remote import from_settings
from edge.rules.effects import Answer
from edge.settings import Centre
from simulators.virtual_loop import run_virtually
from tests.edge.desired.making import NOW_MS, Clock
from tests.edge.remote.making import KEY, signed
from tests.edge.test_by_hand import SETTINGS


def test_a_site_may_take_no_commands(tmp_path: Path) -> None:
    """The rules never hear of them."""
    told: list[CommandResult] = []
    centre = Centre(public_keys=[KEY.public.line], commands=False)
    settings = SETTINGS.model_copy(update={"centre": centre})

    async def report(result: CommandResult) -> bool:
        told.append(result)
        return True

    async def story() -> None:
        desk = from_settings.desk(
            settings, tmp_path, Inline(), Clock(), lambda: "e" * 32, report, lambda _: str(1 / 0)
        )
        running = asyncio.create_task(desk.run())
        await asyncio.sleep(400)
        desk.offer(*signed(1, issued_ms=NOW_MS + 400_000, expires_ms=NOW_MS + 460_000))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(story())
    [refused] = told
    assert (refused.refusal, refused.command_id) == ("not_allowed", f"{1:032x}")
    assert "commands = false" in refused.reason


def test_a_command_waits_for_its_answer_as_long_as_its_control_s_proof_takes(tmp_path: Path) -> None:
    """A large valve takes its time to read back; nobody says meanwhile that nobody knows."""
    told: list[CommandResult] = []
    [control, *_] = SETTINGS.controls
    slow = control.model_copy(update={"proof_s": 900.0})
    centre = Centre(public_keys=[KEY.public.line])
    settings = SETTINGS.model_copy(update={"centre": centre, "controls": [slow]})

    async def report(result: CommandResult) -> bool:
        told.append(result)
        return True

    async def story() -> None:
        desk = from_settings.desk(
            settings, tmp_path, Inline(), Clock(), lambda: "e" * 32, report, lambda _: ""
        )
        running = asyncio.create_task(desk.run())
        await asyncio.sleep(400)
        desk.offer(*signed(1, issued_ms=NOW_MS + 400_000, expires_ms=NOW_MS + 460_000))
        await asyncio.sleep(880)
        desk.answered(Answer(f"{1:032x}", CommandOutcome.DONE, "reads back so", True))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(story())
    assert [each.outcome for each in told] == [CommandOutcome.DONE]
