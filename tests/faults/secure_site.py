"""A centre and a broker as ``gengfu collector init`` writes them, on loopback, at another time perhaps."""

import getpass
import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector import key_file
from collector.enrolment import authority_files, setting_up
from collector.enrolment.authority import Authority
from collector.enrolment.names import collector_name
from collector.settings import EXAMPLE
from gengfu.demo.processes import die_with_parent
from simulators.servers import HOST, Server, free_port
from toml_files import with_keys

DISTRICT, NAME = "north", "localhost"
DAY_MS = 86_400_000
SHIM = Path(__file__).with_name("clock_shim.c")


def now_ms() -> int:
    """Return this machine's time."""
    return time.time_ns() // 1_000_000


def new_serial() -> int:
    """Return what no other certificate has."""
    return random.SystemRandom().getrandbits(158) + 1


class OtherTime:
    """A library that lets a process see another time than this machine's; needs gcc."""

    def __init__(self, folder: Path) -> None:
        """Build it."""
        if shutil.which("gcc") is None:
            raise RuntimeError("gcc is missing; install it (Debian: apt install gcc libc6-dev)")
        self._library = folder.resolve() / "clock_shim.so"
        built = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(self._library), str(SHIM), "-ldl"]
        subprocess.run(["gcc", *built], check=True)

    def environment(self, offset_s: float) -> dict[str, str]:
        """Return what is added to the environment of a process, so that it sees so much later."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_SHIM_OFFSET_S": str(round(offset_s))}


class SecureBroker(Server):
    """mosquitto with the configuration that was written for it."""

    name = "mosquitto"

    def arguments(self) -> list[str]:
        """See Server."""
        return ["-c", str(self.folder / "mosquitto.conf")]

    def see(self, more: dict[str, str]) -> None:
        """Add to its environment, from the next start on."""
        self._environment = {**(self._environment or os.environ), **more}


class Program:
    """One process of ours, started and ended by whoever holds it."""

    def __init__(self, name: str, folder: Path) -> None:
        """What it says goes to a log in the folder."""
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: list[str], more: Mapping[str, str]) -> dict[str, Any]:
        """Start a module of ours, and return its line of readiness; RuntimeError where there is none."""
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        assert process.stdout
        line = process.stdout.readline()
        if not line.startswith(b"{"):
            self.end()
            raise RuntimeError(f"{self.log}: {self.log.read_text(errors='replace')[-800:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self, *, rudely: bool = False) -> None:
        """End it, as a power cut would if ``rudely``."""
        if self._process and self._process.poll() is None:
            (self._process.kill if rudely else self._process.terminate)()
        if self._process:
            self._process.wait(30)
            if self._process.stdout:
                self._process.stdout.close()
        self._process = None


@dataclass(frozen=True)
class Identity:
    """A certificate and its key in files."""

    cert: Path
    key: Path


class SecureSite:
    """The folder of a centre, and identities that its authority issues."""

    def __init__(
        self, folder: Path, time: OtherTime | None = None, rule: Mapping[str, float] | None = None
    ) -> None:
        """Write it; ``rule`` is set in ``[enrolment]``, ``time`` is what other times are had by."""
        self.folder, self.port = folder / "centre", free_port()
        self.enrolment_port = free_port()
        site = setting_up.Site(DISTRICT, (NAME,), getpass.getuser(), self.port, HOST, self.enrolment_port)
        made = setting_up.files(self.folder, site, now_ms=now_ms(), new_serial=new_serial)
        text = setting_up.settings(EXAMPLE.read_text(), site).replace('parts_file = "parts.csv"', "#", 1)
        text = with_keys(text, {"http": {"port": 0}, "enrolment": {"host": HOST, **dict(rule or {})}})
        made["collector.toml"] = text.encode(), 0o600
        setting_up.write(self.folder, made)
        self.key = key_file.make(self.folder / "data").public.line
        files = self.folder / "ca/ca.pem", self.folder / "ca/ca_key.pem"
        self.authority: Authority = authority_files.read(*files)
        self.broker = SecureBroker(self.folder / "broker", self.port, in_child=die_with_parent)
        self.centre = Program("centre", folder)
        self.url, self.time = "", time
        self._issued = folder / "issued"
        self._issued.mkdir()

    def start(self, *, offset_s: float = 0, without: str = "") -> None:
        """Start broker and centre, both so much later; ``without`` is what the centre leaves out."""
        more = self.time.environment(offset_s) if offset_s and self.time else {}
        self.broker.see(more or {"CLOCK_SHIM_OFFSET_S": "0"})
        self.broker.start()
        self.start_centre(more, without)

    def start_centre(self, more: Mapping[str, str], without: str = "") -> None:
        """Start the centre alone."""
        entry = ["tests.faults.kind_centre", "--without", without] if without else ["gengfu.main"]
        arguments = [*entry, "collector", "run", "--settings", str(self.settings)]
        self.url = self.centre.start(arguments, more)["url"]

    def stop(self) -> None:
        """Stop both."""
        self.centre.end()
        self.broker.stop()

    def asked(self, method: str, path: str, body: object = None) -> Any:
        """Ask the centre, as a person on its machine."""
        answer = httpx.request(method, f"{self.url}/api/v1{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def code(self, gateway: str, for_s: float = 600) -> str:
        """Have a one-time code made."""
        told: str = self.asked("POST", f"/gateways/{gateway}/enrolment-code", {"for_s": for_s})["code"]
        return told

    @property
    def est(self) -> str:
        """Where a stranger begins."""
        return f"https://{NAME}:{self.enrolment_port}/.well-known/est"

    @property
    def settings(self) -> Path:
        """The centre's settings file."""
        return self.folder / "collector.toml"

    @property
    def centre_identity(self) -> Identity:
        """The centre's own."""
        return Identity(self.folder / "tls/collector.pem", self.folder / "tls/collector_key.pem")

    def identity(
        self,
        name: str,
        *,
        valid_days: float = 30,
        at_ms: int | None = None,
        by: Authority | None = None,
        district: str = DISTRICT,
    ) -> Identity:
        """Issue a gateway's certificate past the port of enrolment."""
        key, serial = ec.generate_private_key(ec.SECP256R1()), new_serial()
        made = (by or self.authority).gateway(
            district, name, key.public_key(), serial=serial, now_ms=at_ms or now_ms(), valid_days=valid_days
        )
        place = self._issued / f"{serial:x}"
        cert, secret = place.with_suffix(".pem"), place.with_suffix(".key")
        authority_files.write_new(cert, made.public_bytes(Encoding.PEM), 0o644)
        authority_files.write_new(secret, authority_files.key_pem(key), 0o600)
        return Identity(cert, secret)

    def context(self, identity: Identity) -> ssl.SSLContext:
        """Return how to reach the broker as somebody."""
        made = ssl.create_default_context(cafile=str(self.folder / "ca/ca.pem"))
        made.load_cert_chain(identity.cert, identity.key)
        return made


__all__ = ["Identity", "OtherTime", "SecureSite", "collector_name"]
