"""The desk of a gateway with these settings."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from contract.events import CommandResult
from contract.limits import COMMAND_BYTES_MAX
from contract.signing import COMMAND_TYPE, KeyRing
from edge.buffer.keeper import Keeper
from edge.clock import Clock
from edge.remote.desk import ANSWER_S_MAX, Desk, Execute
from edge.remote.judging import Verifier
from edge.remote.ledger import FILE_NAME, Ledger
from edge.rules.effects import Ids
from edge.settings import Settings

BEYOND_PROOF_S = 60.0
"""So much longer than the longest proof rules may take to tell how a command ended."""
NOT_TAKEN = "this cabinet takes no commands: commands = false stands in [centre] of its settings"


def desk(
    settings: Settings,
    state: Path,
    keeper: Keeper,
    clock: Clock,
    ids: Ids,
    report: Callable[[CommandResult], Awaitable[bool]],
    execute: Execute,
) -> Desk:
    """Return it; the folder ``state`` has its memory. A site may take no commands: each is refused then."""
    proof_s_max = max((control.proof_s for control in settings.controls), default=0.0)
    keys = KeyRing(settings.centre.public_keys, COMMAND_TYPE, bytes_max=COMMAND_BYTES_MAX)
    return Desk(
        Ledger(state / FILE_NAME),
        Verifier(keys, settings.district, settings.gateway),
        keeper,
        clock,
        ids,
        report_interval_s=settings.centre.report_interval_s,
        report=report,
        execute=execute if settings.centre.commands else lambda _command: NOT_TAKEN,
        answer_s_max=max(ANSWER_S_MAX, proof_s_max + BEYOND_PROOF_S),
    )
