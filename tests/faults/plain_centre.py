"""A centre as its operator makes it, by commands alone: on the usual ports of loopback, with mutual TLS."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from gengfu.demo.processes import die_with_parent
from simulators.servers import HOST
from tests.faults.debian_root import CannotError
from tests.faults.secure_site import Program, SecureBroker
from toml_files import with_keys

DISTRICT, NAME = "north", "centre.example"
BROKER_PORT, ENROLMENT_PORT = 8883, 8781


class PlainCentre:
    """A context: ``gengfu collector init``, its broker, its centre."""

    def __init__(self, folder: Path) -> None:
        """Make it; CannotError where one of its ports is taken."""
        for port in (BROKER_PORT, ENROLMENT_PORT):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    raise CannotError(f"port {port} of {HOST} is taken by another program")
        self.folder = folder / "srv"
        self._gengfu("collector", "init", str(self.folder), "--district", DISTRICT, "--host", NAME)
        # What is only for a test: no other machine is to reach it, and people's port is a free one.
        broker = self.folder / "broker/mosquitto.conf"
        broker.write_text(
            broker.read_text().replace(f"listener {BROKER_PORT}", f"listener {BROKER_PORT} {HOST}")
        )
        settings = self.folder / "collector.toml"
        settings.write_text(
            with_keys(settings.read_text(), {"http": {"port": 0}, "enrolment": {"host": HOST}})
        )
        self._broker = SecureBroker(self.folder / "broker", BROKER_PORT, in_child=die_with_parent)
        self._centre, self.url = Program("centre", folder), ""

    def __enter__(self) -> "PlainCentre":
        """Start both."""
        self._broker.start()
        arguments = ["gengfu.main", "collector", "run", "--settings", str(self.folder / "collector.toml")]
        self.url = self._centre.start(arguments, {})["url"]
        return self

    def __exit__(self, *_: object) -> None:
        """End both."""
        self._centre.end()
        self._broker.stop()

    def enrol_command(self, gateway: str) -> str:
        """Return what the centre says is to be typed at a gateway, with a new code."""
        said = self._gengfu("gateways", "code", gateway, "--url", self.url)
        return said.strip().split("\n")[-1]

    def asked(self, path: str) -> list[dict[str, Any]]:
        """Return the items of a list of the interface."""
        answer = httpx.get(f"{self.url}/api/v1{path}", timeout=30)
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def is_certified(self, gateway: str) -> bool:
        """Say whether the gateway has a certificate that holds."""
        return any(not each["revoked_ms"] for each in self.asked(f"/certificates?gateway={gateway}&limit=10"))

    def good_points(self, gateway: str) -> dict[str, int]:
        """Return how many points have a good newest value, by device; a device with another one has 0.

        Where nothing vouches for the machine's clock, values that are uncertain for that alone count as good.
        """
        counts: dict[str, int] = {}
        for each in self.asked(f"/points?gateway={gateway}&limit=1000"):
            device = each["device"]
            was = counts.get(device, -1)
            of_clock = each["quality"] == "uncertain" and each["clock"] == "unset"
            is_good = each["error"] == "" and (each["quality"] == "good" or of_clock)
            counts[device] = 0 if not is_good or was == 0 else max(0, was) + 1
        return counts

    def _gengfu(self, *words: str) -> str:
        command = [sys.executable, "-m", "gengfu.main", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        if done.returncode:
            raise CannotError(f"gengfu {' '.join(words[:2])}: {done.stderr.strip()[-500:]}")
        return done.stdout
