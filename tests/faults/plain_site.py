"""What campaigns are played on: a real broker, a real centre and real gateways, each a process of its own."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from gengfu.demo.processes import Child, die_with_parent
from simulators.mosquitto import Mosquitto

CENTRE = "centre"
DESIRED = """[desired]
retry_min_s = 1
retry_max_s = 5
history_max = 1000
"""
"""Settings of a centre whose documents are to come again soon."""

_BROKER = """[broker]
host = "127.0.0.1"
port = {port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
"""
_CENTRE = """schema = 1
district = "{district}"
data_folder = "centre"
[http]
port = 0
"""
_GATEWAY = """schema = 1
district = "{district}"
gateway = "{name}"
state_folder = "{state}"
profile_folders = [{profiles}]
[clock]
source = "wall"
"""


class Site:
    """A broker, a centre, and gateways by name in ``children``; a campaign's site adds what it needs."""

    def __init__(self, folder: Path, district: str, settings: str) -> None:
        """``settings`` of the centre begin with further ones of ``[broker]``, or with another table."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.district = folder, district
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        text = _CENTRE.format(district=district) + _BROKER.format(port=self.broker.port) + settings
        self.settings_file(CENTRE).write_text(text)
        self.centre = self._child(CENTRE, ["gengfu.main", "collector", "run"])
        self.children: dict[str, Child] = {}
        self.url = ""

    def add(self, name: str, entry: Sequence[str] = ("gengfu.main", "edge", "run")) -> Child:
        """Add a gateway, whose settings are still to be written, and return its process."""
        self.children[name] = self._child(name, entry)
        return self.children[name]

    def gateway_settings(
        self, name: str, settings: str, *, state: str = "", port: int = 0, profiles: str = ""
    ) -> str:
        """Return a gateway's settings; they go on as those of the centre do. ``port`` is not the broker's."""
        head = _GATEWAY.format(district=self.district, name=name, state=state or name, profiles=profiles)
        return head + _BROKER.format(port=port or self.broker.port) + settings

    def _child(self, name: str, entry: Sequence[str]) -> Child:
        return Child(name, [*entry, "--settings", str(self.settings_file(name))], self.log(name))

    def settings_file(self, name: str) -> Path:
        """Return where the settings of a gateway, or the centre, are."""
        return self.folder / f"{name}.toml"

    def log(self, name: str) -> Path:
        """Return where it logs."""
        return self.folder / f"{name}.log"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run broker, centre and gateways."""
        try:
            self.broker.start()
            self.start_centre()
            for child in self.children.values():
                child.spawn()
            for child in self.children.values():
                child.ready()
            yield
        finally:
            self.end()

    def start_centre(self) -> None:
        """Start the centre, again perhaps."""
        self.url = self.centre.start()["url"]

    def end(self) -> None:
        """End whatever runs."""
        for child in (*reversed(self.children.values()), self.centre):
            child.end()
        self.broker.stop()

    @property
    def fallen(self) -> list[str]:
        """Say what ended by itself."""
        return [each.fallen for each in (self.centre, *self.children.values()) if each.fallen]

    def heard_ms(self) -> dict[str, int]:
        """Return when the centre heard each gateway last that has said hello, by the clock of both."""
        return {it["gateway"]: int(it["heard_ms"]) for it in self._asked("GET", "gateways") if it["hello_ms"]}

    def pushed(self, kind: str, documents: dict[str, str]) -> dict[str, int]:
        """Push documents by gateway; return their sequences."""
        items = self._asked("PUT", f"desired/{kind}", {"documents": documents, "who": "campaign"})
        return {it["gateway"]: int(it["sequence"]) for it in items}

    def standings(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return where the newest document of each gateway stands."""
        return {it["gateway"]: it for it in self._asked("GET", f"desired/{kind}?limit=1000")}

    def _asked(self, method: str, path: str, body: object = None) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{path}"
        answer = httpx.request(method, url, json=body, timeout=30, trust_env=False)
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is so; say whether it became so."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.1)
    return True
