"""Gateways that are sent settings: a real broker, a real centre with a key, meters that count their reads."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from collector import key_file
from gengfu.demo.processes import Child, die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST, free_port
from tests.faults.counting import PROFILE, Meters

DISTRICT = "streets"
NEAR, FAR = ("meter-1", "meter-2"), ("meter-3",)
CONFIRM_S = 8
READY_S_MAX = 60.0
KIND = "configuration"

_CENTRE = """schema = 1
district = "streets"
data_folder = "centre"
[broker]
host = "127.0.0.1"
port = {port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
[http]
port = 0
[desired]
retry_min_s = 1
retry_max_s = 5
history_max = 1000
"""

_GATEWAY = """# A comment that stays: variant {variant}
schema = 1
district = "streets"
gateway = "{name}"
state_folder = "{state}"
profile_folders = ["profiles"]
[broker]
host = "127.0.0.1"
port = {broker_port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
[centre]
public_keys = [{keys}]
report_interval_s = 1
[configuration]
confirm_timeout_s = {confirm_s}
[clock]
source = "wall"
[buffer]
stop_drain_s = 0.5
flush_interval_s = 0.5
{more}
[[lines]]
kind = "tcp"
name = "near"
host = "127.0.0.1"
port = {near_port}
[[lines]]
kind = "tcp"
name = "far"
host = "127.0.0.1"
port = {far_port}
"""
_METER = """[[devices]]
name = "{name}"
line = "{line}"
unit_id = {unit_id}
profile = "{profile}"
interval_s = {interval_s}
timeout_s = 1
"""


class Cabinet:
    """A gateway and its meters; ``text`` makes its settings, good or changed."""

    def __init__(self, name: str, site: "Site", entry: list[str]) -> None:
        """Nothing runs yet."""
        self.name, self.site = name, site
        self.near, self.far = Meters(NEAR), Meters(FAR)
        self.settings = site.folder / f"{name}.toml"
        command = [*entry, "edge", "run", "--settings", str(self.settings)]
        self.log = site.folder / f"{name}.log"
        self.child = Child(name, command, self.log)
        self.kills = 0

    def text(self, variant: int, **changes: Any) -> str:
        """Return settings; each variant is another text, and asks its meters as often."""
        given: dict[str, Any] = {
            "variant": variant,
            "name": self.name,
            "state": f"{self.name}-state",
            "broker_port": self.site.broker.port,
            "keys": f'"{self.site.key.public.line}"',
            "confirm_s": CONFIRM_S,
            "near_port": self.near.port,
            "far_port": self.far.port,
            "more": "",
            "units": (1, 2, 1),
            "profile": "counting_meter",
            **changes,
        }
        text = _GATEWAY.format(**given)
        for name, line, unit_id in zip((*NEAR, *FAR), ("near", "near", "far"), given["units"], strict=True):
            text += _METER.format(
                name=name, line=line, unit_id=unit_id, profile=given["profile"], interval_s=0.3
            )
        return text

    def reads(self) -> list[int]:
        """Return how often each meter was asked."""
        return [len(meter.served) for it in (self.near, self.far) for meter in it.meters.values()]

    def kill(self) -> None:
        """Cut its power."""
        self.child.kill()
        self.kills += 1


class Site:
    """Everything; ``entries`` are the commands of the gateways by name."""

    def __init__(self, folder: Path, entries: dict[str, list[str]]) -> None:
        """Write what is needed; ``running`` starts it all."""
        self.folder = folder
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        self.key = key_file.make(folder / "centre")
        self.dead_port = free_port()
        self.mute = socket.create_server((HOST, 0), backlog=64)
        (folder / "profiles").mkdir()
        (folder / "profiles" / "counting_meter.toml").write_text(PROFILE)
        (folder / "centre.toml").write_text(_CENTRE.format(port=self.broker.port))
        command = ["gengfu.main", "collector", "run", "--settings", str(folder / "centre.toml")]
        self.centre = Child("centre", command, folder / "centre.log")
        self.cabinets = {name: Cabinet(name, self, entry) for name, entry in entries.items()}
        self.url = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it all."""
        try:
            self.broker.start()
            self.url = self.centre.start()["url"]
            for each in self.cabinets.values():
                each.near.start()
                each.far.start()
                each.settings.write_text(each.text(0))
                each.child.spawn()
            for each in self.cabinets.values():
                each.child.ready()
            if not until(lambda: self._heard() >= set(self.cabinets), READY_S_MAX):
                raise SystemExit("the centre has not heard every gateway")
            yield
        finally:
            for each in self.cabinets.values():
                each.child.end()
                each.near.stop()
                each.far.stop()
            self.centre.end()
            self.broker.stop()
            self.mute.close()

    def _heard(self) -> set[str]:
        answer = httpx.get(f"{self.url}/api/v1/gateways", timeout=30, trust_env=False)
        return {item["gateway"] for item in answer.json()["items"] if item["hello_ms"]}

    def push(self, gateway: str, text: str) -> int:
        """Push settings; return their sequence."""
        body = {"documents": {gateway: text}, "who": "campaign"}
        answer = httpx.put(f"{self.url}/api/v1/desired/{KIND}", json=body, timeout=30, trust_env=False)
        answer.raise_for_status()
        return int(answer.json()["items"][0]["sequence"])

    def heard_ms(self, gateway: str) -> int:
        """Return when the centre has heard a gateway last, by the clock of both."""
        answer = httpx.get(f"{self.url}/api/v1/gateways", timeout=30, trust_env=False)
        return max(int(item["heard_ms"]) for item in answer.json()["items"] if item["gateway"] == gateway)

    def standing(self, gateway: str) -> dict[str, Any]:
        """Return where its newest document stands."""
        query = {"gateway": gateway}
        answer = httpx.get(f"{self.url}/api/v1/desired/{KIND}", params=query, timeout=30, trust_env=False)
        answer.raise_for_status()
        items = answer.json()["items"]
        return dict(items[0]) if items else {}


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is so; say whether it became so."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.1)
    return True
