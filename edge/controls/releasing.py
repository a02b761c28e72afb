"""What the centre is told of a release: what the output reads once it was let go of. Pure."""

from contract.events import CommandOutcome
from edge.clock import Moment
from edge.controls.output import Output
from edge.controls.states import Released
from edge.rules.effects import Answer, RuleEffect


def begun(output: Output, command_id: str, proof_s: float, now: Moment) -> list[RuleEffect]:
    """Let a release wait for its proof; one that waits still comes to its end."""
    before = _ended(output, CommandOutcome.FAILED, "released once more before it was read back")
    output.released = Released(command_id, output.read_count, proof_s, now.s + proof_s)
    return before


def answered(output: Output, now: Moment) -> list[RuleEffect]:
    """Answer for the release that waits, if there is one and it is proved, or is not."""
    released = output.released
    if released is None:
        return []
    if output.manual or output.lock:
        taken = output.lock.who if output.lock else output.manual.who if output.manual else ""
        return _ended(output, CommandOutcome.FAILED, f"{taken} took it before it was read back")
    if output.read_count > released.read_count and output.desired in (None, output.actual):
        return _ended(output, CommandOutcome.DONE, "released")
    if now.s >= released.proof_until_s:
        wanted = "" if output.desired is None else f" {'on' if output.desired else 'off'}"
        reason = f"released, and does not read back{wanted} within {released.proof_s:g} s"
        return _ended(output, CommandOutcome.FAILED, reason)
    return []


def _ended(output: Output, outcome: CommandOutcome, reason: str) -> list[RuleEffect]:
    released, output.released = output.released, None
    return [Answer(released.command_id, outcome, reason, output.actual)] if released else []
