"""The demo's lighting cabinets: their plan is pushed with one of them away, and their lamps are looked at."""

import asyncio
import datetime as dt
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from gengfu.demo.lamps import Checks, Look, plan_values
from gengfu.demo.processes import Child, DemoError
from simulators import cabinet_file

CABINETS = ("lighting-1", "lighting-2", "lighting-3")
AWAY = "lighting-3"
FAILING_LAMP = "lamp-14"
FAILS_AT_S = 24
"""Of the first cabinet's own time, which begins before the block's."""
LEVEL = "/actual_light_state"
COMMAND_TIMEOUT_S = 60.0
PUSH_WAIT_S = 4
HANDED_TIMEOUT_S = 25.0
IN_FORCE = "in_force"


class Lighting:
    """Plan, commands and looks of the lighting cabinets; processes are the block's."""

    def __init__(self, folder: Path, url: str, children: Mapping[str, Child]) -> None:
        """``url`` is the centre's; ``children`` are all processes, gateways by their names."""
        self._folder, self._url, self._children = folder, url, children
        self._checks: Checks | None = None
        self.states: dict[str, str] = {}
        """Where the plan stands, by gateway, as the centre says."""
        self.levels: dict[str, Mapping[str, int]] = {}
        self.table = ""
        """What the push said of who has the plan."""
        self.handed = False
        """Whether the others had the plan while one was away."""

    def make_key(self) -> str:
        """Let the centre have its key; return the public half, as the command tells it."""
        told = self._run("collector", "init", str(self._folder / "collector.toml"))
        found = re.search(r"ed25519:[^\s\"]+", told)
        if found is None:
            raise DemoError(f"gengfu collector init told no key: {told!r}")
        return found[0]

    def write_cabinet(self, name: str) -> Path:
        """Write the shipped cabinet with the demo's own story; return the file."""
        text = (cabinet_file.SHIPPED / "lighting.toml").read_text()
        text = text[: text.index("[[story]]")]
        if name == CABINETS[0]:
            text += f'[[story]]\nat_s = {FAILS_AT_S}\nwhat = "lamp_fails"\ndevice = "{FAILING_LAMP}"\n'
        path = self._folder / f"{name}-cabinet.toml"
        path.write_text(text)
        return path

    def truth(self, name: str) -> Path:
        """Return where a cabinet's devices say what they truly do."""
        return self._folder / f"{name}-truth.json"

    async def tell(self, template: str) -> None:
        """Push a plan for the next minute while one gateway is away; it is back when the others are lit."""
        away = self._children[AWAY]
        await asyncio.to_thread(away.end)
        plan = self._folder / "lamp-plan.toml"
        plan.write_text(Template(template).substitute(plan_values(dt.datetime.now(dt.UTC))))
        options = ("--url", self._url, "--wait", f"{PUSH_WAIT_S}s")
        self.table = await asyncio.to_thread(self._run, "lamps", "push", str(plan), *options)
        preview = await asyncio.to_thread(self._run, "lamps", "preview", str(plan), "--json", "--nights", "1")
        self._checks = Checks(json.loads(preview), f"{CABINETS[0]}/{FAILING_LAMP}")
        deadline = time.monotonic() + HANDED_TIMEOUT_S
        while not (self.handed and self._is_lit()) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        await asyncio.to_thread(away.start)

    def look(self) -> None:
        """Look at what lamps truly give, and judge it."""
        for name in CABINETS:
            try:
                truth = json.loads(self.truth(name).read_text())
            except FileNotFoundError:
                continue
            values = truth["values"].items()
            levels = {key.removesuffix(LEVEL): value for key, value in values if key.endswith(LEVEL)}
            self.levels[name] = levels
            if self._checks:
                self._checks.look(name, Look(truth["time_ms"], levels))

    def heard(self, items: Sequence[Mapping[str, Any]], now_ms: int) -> None:
        """Take where the plan stands by gateway, as the centre gives it."""
        self.states = {item["gateway"]: item["state"] for item in items}
        having = {name for name, state in self.states.items() if state == IN_FORCE}
        self.handed |= having == {*CABINETS} - {AWAY}
        if self._checks:
            for name in having:
                self._checks.in_force(name, now_ms)

    def figures(self) -> dict[str, int]:
        """Return how many cabinets have the plan, how often lamps were looked at, and were not right."""
        checks = self._checks
        return {
            "lamp_plans_in_force": sum(state == IN_FORCE for state in self.states.values()),
            "lamp_checks": checks.done if checks else 0,
            "lamp_deviations": checks.deviated if checks else 0,
        }

    @property
    def deviations(self) -> list[str]:
        """The first moments at which a lamp gave another level than the preview has."""
        return self._checks.deviations if self._checks else []

    def _is_lit(self) -> bool:
        """Say whether a lamp burns anywhere: then there is something due that the one away has missed."""
        return any(any(levels.values()) for levels in self.levels.values())

    def _run(self, *arguments: str) -> str:
        """Run a command as people would; return what it prints, DemoError if it is refused."""
        command = [sys.executable, "-m", "gengfu.main", *arguments]
        try:
            ran = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(
                f"gengfu {' '.join(arguments[:2])} did not end within {COMMAND_TIMEOUT_S:g} s"
            ) from error
        if ran.returncode:
            raise DemoError(f"gengfu {' '.join(arguments[:2])} ended with {ran.returncode}: {ran.stderr}")
        return ran.stdout
