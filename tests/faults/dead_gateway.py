"""A gateway dies while its valve is open: ``python -m tests.faults.dead_gateway``.

Real gateways on ptys; their relay boards are simulated from the vendor's document, no hardware is used. Each
gateway is killed, or stopped as a hanging one would be, at any moment of its renewals. The board closes the
valve by itself, a contactor that is declared to hold stays on, and a gateway that is started again reads what
they are. The control is a board whose timer does nothing: its valve stays open.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from contract.events import ControlAction, ControlChanged
from simulators.relay_board import FLASH_ON, FLASH_STEP_NS, RelayBoard
from tests.edge.real_cabinet import LINE, SETTINGS, RealCabinet, spray

SELF_OFF_S = 2.0
LOOK_S = 0.02
PATIENCE_S = 60.0
"""For what has no time of its own, such as the start of a process on a busy machine."""
VALVE, CONTACTOR = "relay_1", "relay_2"

CABINET = f"""schema = 1
title = {{ en = "dead gateway", zh = "网关失效" }}
{LINE}[[devices]]
name = "station"
line = "rs485-1"
unit_id = 1
profile = "renke_dust"
values = {{ pm10 = 200, temperature = 18.4, humidity = 40 }}
[[devices]]
name = "relays"
line = "rs485-1"
unit_id = 2
board = "waveshare_relay_8"
"""
_DEVICES = """[[devices]]
name = "station"
line = "rs485-1"
unit_id = 1
profile = "renke_dust"
interval_s = 0.5
[[devices]]
name = "relays"
line = "rs485-1"
unit_id = 2
profile = "waveshare_relay_8"
interval_s = 0.5
"""
_LIGHT = """[[controls]]
name = "light"
output = "relays/relay_2"
fail_state = "hold"
start = { point = "station/pm10", above = 150 }
stop = { point = "station/pm10", below = 120 }
"""


def settings(self_off_s: float) -> str:
    """Return a gateway's that opens a valve, which closes by itself after a time, and switches a light on."""
    return SETTINGS + _DEVICES + spray(self_off_s) + _LIGHT


@dataclass
class Run:
    """What came of one death."""

    how: str
    closed: bool = False
    closed_after_s: float = 0.0
    timer_s: float = 0.0
    """By the board's own clock, from its last command to the end of its timer."""
    late_writes: int = 0
    held: bool = False
    wrong: list[str] = field(default_factory=list)


class Site(RealCabinet):
    """One cabinet with its gateway."""

    def __init__(self, folder: Path, *, has_timer: bool = True) -> None:
        """Write its files; ``has_timer``: its board's flash-on ends by itself."""
        super().__init__(folder, CABINET, settings(SELF_OFF_S))
        self._has_timer = has_timer
        self.writes: list[tuple[int, int, int]] = []
        """When, which address, which value: FC05 as the board got it."""

    @property
    def board(self) -> RelayBoard:
        """The relay board."""
        board = self.cabinet.cabinet.devices["relays"]
        assert isinstance(board, RelayBoard)
        return board

    def listen(self) -> None:
        """Take down what is written to the board; without its timer, keep it from starting."""
        board, usual = self.board, self.board.write_coil

        def write_coil(address: int, value: int, now_ns: int) -> None:
            self.writes.append((now_ns, address, value))
            if address >= FLASH_ON and not self._has_timer:
                board.write("coil", address - FLASH_ON, [1], now_ns)
            else:
                usual(address, value, now_ns)

        board.write_coil = write_coil  # type: ignore[method-assign]

    def until(self, holds: Callable[[], bool], limit_s: float = PATIENCE_S) -> float | None:
        """Wait for it; return how long it took, None if it did not come."""
        began_s = time.monotonic()
        while not holds():
            if time.monotonic() - began_s > limit_s:
                return None
            time.sleep(LOOK_S)
        return time.monotonic() - began_s

    def changes(self) -> list[ControlChanged]:
        """Return what the gateways put on record of their controls; none may run."""
        return [event for event in self.events() if isinstance(event, ControlChanged)]


def die(folder: Path, seed: int, how: str, *, has_timer: bool = True, again: bool = False) -> Run:
    """Let a gateway open its valve, end it, and look at the board; with ``again`` start it once more."""
    chance, told = Random(seed), Run(how)
    folder.mkdir(parents=True)
    site = Site(folder, has_timer=has_timer)
    with site.cabinet:
        site.listen()
        try:
            site.gateway.start()
            if site.until(lambda: site.is_on(VALVE) and site.is_on(CONTACTOR)) is None:
                told.wrong.append("the valve was never opened")
                return told
            time.sleep(chance.random() * SELF_OFF_S)
            pid = site.gateway.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            died_ns = time.monotonic_ns()
            _look(site, told, died_ns, has_timer=has_timer)
            if again:
                _start_again(site, told, by_hand=bool(seed % 2))
        finally:
            site.gateway.kill()
    return told


def _look(site: Site, told: Run, died_ns: int, *, has_timer: bool) -> None:
    """Wait for the valve to close by itself."""
    limit_s = PATIENCE_S if has_timer else 3 * SELF_OFF_S
    closed_s = site.until(lambda: not site.is_on(VALVE), limit_s)
    told.closed, told.closed_after_s = closed_s is not None, closed_s or 0.0
    told.held = site.is_on(CONTACTOR)
    flashes = [(at_ns, value) for at_ns, address, value in site.writes if address == FLASH_ON]
    told.timer_s = flashes[-1][1] * FLASH_STEP_NS / 1e9
    told.late_writes = sum(at_ns > died_ns for at_ns, _ in flashes)


def _start_again(site: Site, told: Run, *, by_hand: bool) -> None:
    """Start another process; ``by_hand`` somebody has opened the contactor meanwhile."""
    site.gateway.kill()
    if by_hand:
        site.board.write("coil", 1, [0], time.monotonic_ns())
    before = len(site.writes)
    site.gateway.start()
    if site.until(lambda: site.is_on(VALVE) and site.is_on(CONTACTOR)) is None:
        told.wrong.append("the valve was not opened again")
    written = [value for _, address, value in site.writes[before:] if address == 1]
    site.gateway.end()
    events = site.changes()
    ends = {
        event.control: event
        for event in events
        if "restart" in event.reason or "in the middle" in event.reason
    }
    begun = {
        event.control: event.cause for event in reversed(events) if event.action is ControlAction.STARTED
    }
    light, spray = ends.get("light"), ends.get("spray")
    if light is None or spray is None:
        told.wrong.append(f"the runs before are not on record: {[event.reason for event in events]}")
        return
    read = (light.action, light.read_back, bool(written))
    expected = (ControlAction.STOPPED, False, True) if by_hand else (ControlAction.FOUND, True, False)
    if read != expected or light.cause != begun["light"]:
        told.wrong.append(f"the contactor was not read back: {read}")
    if (spray.action, spray.read_back, spray.cause) != (ControlAction.STOPPED, False, begun["spray"]):
        told.wrong.append(f"the valve was not read back: {spray}")


def play(runs: int, together: int, again_every: int, *, has_timer: bool = True) -> list[Run]:
    """Play so many deaths, half by SIGKILL and half by SIGSTOP, some of them at the same time."""
    with tempfile.TemporaryDirectory(prefix="gengfu-dead-") as name, ThreadPoolExecutor(together) as pool:
        waiting = [
            pool.submit(
                die,
                Path(name) / str(number),
                number // 2,
                ("killed", "stopped")[number % 2],
                has_timer=has_timer,
                again=again_every > 0 and number // 2 % again_every == 0,
            )
            for number in range(runs)
        ]
        done = []
        for each in waiting:
            done.append(each.result())
            if len(done) % 10 == 0:
                print(f"{len(done)} of {runs}", file=sys.stderr)
        return done


def bad(run: Run) -> bool:
    """Say whether a run shows what must not be."""
    sound = run.closed and run.held and run.timer_s <= SELF_OFF_S and run.late_writes <= 1
    return bool(run.wrong) or not sound


def report(runs: Sequence[Run], control: Sequence[Run]) -> bool:
    """Print what was seen; return whether it is as it must be."""
    for run in filter(bad, runs):
        print(f"{run.how}: closed {run.closed}, held {run.held}, {run.late_writes} late writes; {run.wrong}")
    open_still = sum(not run.closed for run in control)
    closed = sum(run.closed for run in runs)
    print(
        f"{closed} of {len(runs)} valves closed by themselves; "
        f"{open_still} of {len(control)} without a timer did not"
    )
    figures = {
        "dead_gateway_runs": len(runs),
        "dead_gateway_closed": closed,
        "dead_gateway_contactor_held": sum(run.held for run in runs),
        "dead_gateway_closed_after_s_max": round(max(run.closed_after_s for run in runs), 2),
        "dead_gateway_wrong": sum(map(bad, runs)),
        "dead_gateway_open_without_timer": open_still,
    }
    conditions = {"self_off_s": SELF_OFF_S, "hardware": "none; board simulated from its vendor's document"}
    print(json.dumps({"name": "dead_gateway", "figures": figures, "conditions": conditions}))
    return not any(map(bad, runs)) and open_still == len(control)


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="Half are killed, half are stopped.")
    parser.add_argument("--together", type=int, default=6)
    parser.add_argument(
        "--again-every", type=int, default=3, help="So many runs of each kind to one with a restart."
    )
    parser.add_argument("--control-runs", type=int, default=4)
    given = parser.parse_args()
    runs = play(given.runs, given.together, given.again_every)
    control = play(given.control_runs, given.together, 0, has_timer=False)
    sys.exit(not report(runs, control))


if __name__ == "__main__":
    main()
