"""Process alarms on what a faulty line brings: whatever the faults do, the devices are well.

Each unit has a point whose true value is always 0: how far the registers that were read lie from what the
device holds. Only tables that nobody writes are looked at. Every kind of process alarm watches it; a failed
read is a bad sample, as the driver makes it.
"""

import itertools
from typing import Any

from bench.faults.plan import Step
from contract.events import AlarmRaised
from contract.samples import Quality, Sample
from edge.clock import Moment
from edge.drivers import modbus_pdu
from edge.drivers.modbus_pdu import ModbusError
from edge.lines.line import Outcome
from edge.rules.effects import Emit
from edge.rules.engine import Engine
from edge.settings import Settings
from simulators.addressed import values_at

UNITS = 4
START_MS = 1_800_000_000_000
UNWRITTEN = ("input_register", "discrete_input")
KINDS: list[dict[str, Any]] = [
    {"kind": "limit", "high": 0.5, "low": -0.5},
    {"kind": "limit", "high": 0.01, "mean_s": 0.5},
    {"kind": "rate", "rises_by": 0.5, "falls_by": 0.5, "within_s": 5.0},
    {"kind": "discrete", "differs": 0},
    {"kind": "deviation", "from": "unit-0/error", "by": 0.5},
]


class Watchman:
    """Watches the outcomes of transactions; counts samples, bad ones, and alarms."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self.samples = self.bad = self.alarms = 0
        self._newest_ns = -1
        self._engine = _engine()

    def heard(self, step: Step, outcome: Outcome, now_ns: int) -> None:
        """Take what came of a read; each session of a campaign begins anew, with a fresh engine."""
        if step.values or step.table not in UNWRITTEN:
            return
        if now_ns < self._newest_ns:
            self._engine = _engine()
        self._newest_ns = now_ns
        now = Moment(now_ns, START_MS + now_ns // 1_000_000)
        value, error = _error(step, outcome)
        quality = Quality.BAD if error else Quality.GOOD
        told = [
            Sample(now.wall_ms, f"unit-{step.unit_id}", "error", value, quality, error),
            Sample(now.wall_ms, "unit-0", "error", 0),
        ]
        self.samples += 1
        self.bad += bool(error)
        effects = self._engine.observe(told, now)
        self.alarms += sum(isinstance(each, Emit) and isinstance(each.event, AlarmRaised) for each in effects)


def _error(step: Step, outcome: Outcome) -> tuple[int | None, str]:
    """Return how far what was read lies from the truth, or None and why there is nothing."""
    if outcome.pdu is None:
        return None, str(outcome.error)
    try:
        read = modbus_pdu.read_answer(step.table, step.count, outcome.pdu)
    except ModbusError as error:
        return None, str(error)
    truth = values_at(step.unit_id, step.table, step.address, step.count)
    return sum(abs(mine - its) for mine, its in zip(read, truth, strict=True)), ""


def _engine() -> Engine:
    numbers = itertools.count(1)
    points = [f"unit-{number}/error" for number in range(1, UNITS)]
    usual = {"problem": "trouble", "message": "trouble", "stale_s": 60.0, "points": points}
    devices = [
        {"name": f"unit-{number}", "line": "line", "unit_id": number + 1, "profile": "x"}
        for number in range(UNITS)
    ]
    settings = {
        "schema": 1,
        "district": "north",
        "gateway": "faults",
        "broker": {"host": "127.0.0.1"},
        "lines": [{"kind": "tcp", "name": "line", "host": "127.0.0.1"}],
        "devices": devices,
        "alarms": [{"name": f"rule-{number}", **usual, **kind} for number, kind in enumerate(KINDS)],
    }
    return Engine(Settings.model_validate(settings), lambda: f"{next(numbers):032x}")
