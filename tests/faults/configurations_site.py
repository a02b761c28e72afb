"""Gateways that are sent settings: a real broker, a real centre with a key, meters that count their reads."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector import key_file
from simulators.servers import HOST, free_port
from tests.faults import counting, plain_site
from tests.faults.counting import Meters
from tests.faults.plain_site import DESIRED, until

NEAR, FAR = ("meter-1", "meter-2"), ("meter-3",)
CONFIRM_S = 8
READY_S_MAX = 60.0
KIND = "configuration"

_GATEWAY = """[centre]
public_keys = [{keys}]
report_interval_s = 1
[configuration]
confirm_timeout_s = {confirm_s}
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


class Cabinet:
    """A gateway and its meters; ``text`` makes its settings, good or changed."""

    def __init__(self, name: str, site: "Site", entry: list[str]) -> None:
        """Nothing runs yet."""
        self.name, self.site = name, site
        self.near, self.far = Meters(NEAR), Meters(FAR)
        self.log, self.child = site.log(name), site.add(name, [*entry, "edge", "run"])
        self.kills = 0

    def text(self, variant: int, **changes: Any) -> str:
        """Return settings; each variant is another text, and asks its meters as often."""
        given: dict[str, Any] = {
            "name": self.name,
            "state": f"{self.name}-state",
            "broker_port": 0,
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
            text += counting.settings(name, line, unit_id, 0.3, given["profile"])
        whole = self.site.gateway_settings(
            given["name"], text, state=given["state"], port=given["broker_port"], profiles='"profiles"'
        )
        return f"# A comment that stays: variant {variant}\n{whole}"

    def reads(self) -> list[int]:
        """Return how often each meter was asked."""
        return [len(meter.served) for it in (self.near, self.far) for meter in it.meters.values()]

    def kill(self) -> None:
        """Cut its power."""
        self.child.kill()
        self.kills += 1


class Site(plain_site.Site):
    """Everything; ``entries`` are the commands of the gateways by name."""

    def __init__(self, folder: Path, entries: dict[str, list[str]]) -> None:
        """Write what is needed; ``running`` starts it all."""
        super().__init__(folder, "streets", DESIRED)
        self.key = key_file.make(folder / "centre")
        self.dead_port = free_port()
        self.mute = socket.create_server((HOST, 0), backlog=64)
        counting.write_profile(folder)
        self.cabinets = {name: Cabinet(name, self, entry) for name, entry in entries.items()}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it all, and wait until the centre has heard every gateway."""
        try:
            for each in self.cabinets.values():
                each.near.start()
                each.far.start()
                self.settings_file(each.name).write_text(each.text(0))
            with super().running():
                if not until(lambda: set(self.heard_ms()) >= set(self.cabinets), READY_S_MAX):
                    raise SystemExit("the centre has not heard every gateway")
                yield
        finally:
            for each in self.cabinets.values():
                each.near.stop()
                each.far.stop()
            self.mute.close()

    def push(self, gateway: str, text: str) -> int:
        """Push settings; return their sequence."""
        return self.pushed(KIND, {gateway: text})[gateway]

    def standing(self, gateway: str) -> dict[str, Any]:
        """Return where its newest document stands."""
        return self.standings(KIND).get(gateway, {})
