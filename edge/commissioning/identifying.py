"""A device asked for everything by which it can be told: reads only. The rim."""

from collections.abc import Iterable

from edge.commissioning.candidates import Candidate, Run, questions
from edge.commissioning.fingerprint import NOT_ASKED, Fingerprint
from edge.drivers import modbus_pdu
from edge.drivers.identification import identify
from edge.drivers.modbus_pdu import ModbusError
from edge.lines.line import Line, LineError, Request

SILENCES_MAX = 80
"""A device that has been silent so often is not asked for the rest of what it may not have."""
TRIES = 2
"""What came harmed, or was held back, is asked for once more."""
AGAIN = frozenset({LineError.GARBLED, LineError.HELD_BACK, LineError.TWO_ANSWERS, LineError.NOISE})


async def fingerprint(
    line: Line, unit_id: int, known: Iterable[Candidate], *, baud: int, timeout_s: float
) -> Fingerprint:
    """Return what a unit answers; never raises for what it does. ``baud`` is the line's speed, or 0."""
    said = await identify(line, unit_id, timeout_s, diagnostics=False)
    runs: dict[Run, tuple[int, ...] | str] = {}
    silences = 0
    for run in questions(known):
        if silences >= SILENCES_MAX:
            runs[run] = NOT_ASKED
            continue
        runs[run] = told = await _read(line, unit_id, run, timeout_s)
        silences += told == LineError.TIMEOUT
    return Fingerprint(
        unit_id,
        baud,
        _text(said.vendor.value),
        _text(said.product.value),
        _text(said.revision.value),
        _text(said.server_id.value).replace(" ", ""),
        runs,
    )


async def _read(line: Line, unit_id: int, run: Run, timeout_s: float) -> tuple[int, ...] | str:
    pdu, answer_bytes = modbus_pdu.read_request(run.table, run.address, run.size)
    for _ in range(TRIES):
        outcome = await line.transact(Request(unit_id, pdu, answer_bytes, timeout_s, late_answer_s=timeout_s))
        if outcome.pdu is not None:
            try:
                return modbus_pdu.read_answer(run.table, run.size, outcome.pdu)
            except ModbusError as error:
                return str(error)
        if outcome.error not in AGAIN:
            break
    return str(outcome.error)


def _text(value: object) -> str:
    return "".join(each for each in value if each.isprintable()) if isinstance(value, str) else ""
