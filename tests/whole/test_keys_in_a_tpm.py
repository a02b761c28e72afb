"""A gateway with its key in a TPM enrols, delivers, renews; its folder is worth nothing elsewhere."""

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from edge.identity import enrolling, keys
from edge.identity.enrolling import Wish
from edge.identity.errors import IdentityError
from edge.settings import Settings
from tests.edge.identity import simulated_tpm
from tests.edge.identity.simulated_tpm import SimulatedTpm
from tests.edge.identity.test_tpm import private_in
from tests.faults.broker_access import Node
from tests.faults.secure_site import NAME, Identity, OtherTime, Program, SecureSite
from toml_files import TomlFile

MISSING = simulated_tpm.missing()
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"no simulated TPM here (Debian: {MISSING}); make setup"),
    pytest.mark.timeout(300),  # some seconds of work, on a machine that may have others to do
]
GATEWAY = "cabinet-7"
EVENTUALLY_S = 90.0
HALF_LIFE_S = 60 * 86_400
SETTINGS = """schema = 1
district = "north"
gateway = "{gateway}"
[broker]
host = "127.0.0.1"
reconnect_min_s = 0.2
reconnect_max_s = 1
[buffer]
flush_interval_s = 0.5
ballast_bytes = 0
[clock]
source = "wall"
synchronise_wait_s = 0
[identity]
{identity}
retry_min_s = 1
unset_wait_s = 2
[[lines]]
kind = "tcp"
name = "nowhere"
host = "127.0.0.1"
port = 9
connect_timeout_s = 0.2
[[devices]]
name = "meter"
line = "nowhere"
profile = "qdy30a"
interval_s = 1
"""


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds, and say whether it does."""
    until_s = time.monotonic() + EVENTUALLY_S
    while not holds():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.1)
    return True


class Cabinet:
    """A gateway's folder, and its process."""

    def __init__(self, site: SecureSite, folder: Path) -> None:
        """Nothing is written yet."""
        self.site, self.folder, self.settings = site, folder, folder / "edge.toml"
        self.program = Program("gateway", folder)

    def make(self, identity: str, gateway: str = GATEWAY) -> "Cabinet":
        """Write its settings."""
        self.folder.mkdir()
        self.settings.write_text(SETTINGS.format(gateway=gateway, identity=identity))
        return self

    def enrol(self, *, again: bool = False) -> None:
        """Enrol with a new code, as the command does."""
        settings = TomlFile.read(self.settings).parse(Settings)
        centre, broker = f"https://{NAME}:{self.site.enrolment_port}", f"{NAME}:{self.site.port}"
        code = self.site.code(settings.gateway)
        wish = Wish(self.settings, centre, code, self.site.authority.fingerprint, broker, again)
        enrolling.enrol(wish, settings, enrolling.known(self.settings, settings))

    @contextlib.contextmanager
    def running(self, offset_s: float = 0) -> Iterator[None]:
        """Run it, so much later."""
        assert self.site.time
        more = self.site.time.environment(offset_s) if offset_s else {}
        self.program.start(["gengfu.main", "edge", "run", "--settings", str(self.settings)], more)
        try:
            yield
        finally:
            self.program.end()

    @property
    def key(self) -> Path:
        """The file of its key."""
        return self.folder / "state/identity/key.pem"

    @property
    def certificate(self) -> x509.Certificate:
        """What the centre issued."""
        return enrolling.certificates(self.folder / "state/identity/cert.pem")[0]

    def told(self, report: str) -> dict[str, Any]:
        """Return a report of the running gateway; empty where there is none yet."""
        with contextlib.suppress(OSError, ValueError):
            told: dict[str, Any] = json.loads((self.folder / "state" / report).read_text())
            return told
        return {}

    def delivers(self) -> bool:
        """Wait until the centre has more of it than now."""
        before = self._batches()
        return eventually(lambda: self._batches() > before)

    def _batches(self) -> int:
        path = self.site.folder / "data" / "collector.db"
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as db:
            [count] = db.execute("SELECT count(*) FROM journal").fetchone()
        return int(count)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureSite]:
    """Lend a broker and a centre that run."""
    folder = tmp_path_factory.mktemp("site")
    made = SecureSite(folder, OtherTime(folder))
    before = dict(os.environ)
    os.environ |= simulated_tpm.environment()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        os.environ.clear()
        os.environ |= before


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedTpm]:
    """Lend the machine's TPM."""
    with SimulatedTpm(tmp_path_factory.mktemp("tpm") / "one").running() as made:
        yield made


@pytest.fixture(scope="module")
def cabinet(site: SecureSite, chip: SimulatedTpm, tmp_path_factory: pytest.TempPathFactory) -> Cabinet:
    """Lend a gateway that is enrolled."""
    made = Cabinet(site, tmp_path_factory.mktemp("cabinets") / "one").make(
        f'key = "tpm"\ntpm = "{chip.tcti}"'
    )
    made.enrol()
    return made


def test_it_delivers_by_mutual_tls_and_renews_and_no_file_of_its_has_its_key(cabinet: Cabinet) -> None:
    """After half of the certificate's life; each 32 bytes of its folder are tried as the private half."""
    before, key = cabinet.certificate, cabinet.key.read_bytes()
    with cabinet.running(HALF_LIFE_S):
        assert cabinet.delivers()
        assert f"u'{GATEWAY}'" in cabinet.site.broker.log.read_text()
        assert eventually(lambda: cabinet.certificate.serial_number != before.serial_number)
        cabinet.site.broker.stop()
        cabinet.site.broker.start()  # the next connection is by the new certificate
        assert cabinet.delivers()
    assert cabinet.key.read_bytes() == key
    files = [path for path in cabinet.folder.rglob("*") if path.is_file()]
    assert cabinet.key in files
    assert not [path for path in files if private_in(path.read_bytes(), keys.public(cabinet.key))]


def test_its_folder_on_another_machine_is_refused_works_on_and_can_be_enrolled_anew(
    cabinet: Cabinet, tmp_path: Path
) -> None:
    """It says why, and polls all the same; with a new code it delivers, until that TPM is cleared."""
    copy = Cabinet(cabinet.site, tmp_path / "copy")
    shutil.copytree(cabinet.folder, copy.folder)
    with SimulatedTpm(tmp_path / "tpm").running() as other:
        text = copy.settings.read_text()
        before = TomlFile.read(copy.settings).parse(Settings).identity.tpm
        copy.settings.write_text(text.replace(before, other.tcti))
        connections = copy.site.broker.log.read_text().count(f"u'{GATEWAY}'")
        with copy.running():
            assert eventually(lambda: "key is not its own" in str(copy.told("link.json")))
            assert "enrol again with a new code" in str(copy.told("link.json"))
            assert eventually(lambda: "nowhere" in str(copy.told("lines.json")))
            assert copy.site.broker.log.read_text().count(f"u'{GATEWAY}'") == connections
            old = keys.public(copy.key)
            copy.enrol(again=True)
            assert keys.public(copy.key) != old
            assert copy.delivers()
            assert eventually(lambda: copy.told("link.json").get("connected_since_ms") is not None)
            other.clear()
            cut_ms = time.time_ns() // 1_000_000
            copy.site.broker.stop()
            copy.site.broker.start()
            assert eventually(lambda: refused_since(copy, cut_ms))


def refused_since(cabinet: Cabinet, since_ms: int) -> bool:
    """Say whether its TPM has refused after a time."""
    told = cabinet.told("link.json")
    return "key is not its own" in str(told) and int(told["last_error_ms"]) >= since_ms


def test_the_folder_of_a_key_in_a_file_is_worth_as_much_elsewhere(site: SecureSite, tmp_path: Path) -> None:
    """The control: what is refused above, and not found there, is taken and found here."""
    made = Cabinet(site, tmp_path / "made").make("", "cabinet-8")
    made.enrol()
    copy = Cabinet(site, tmp_path / "copy")
    shutil.copytree(made.folder, copy.folder)
    assert private_in(copy.key.read_bytes(), keys.public(made.key))
    node = Node(site, Identity(copy.folder / "state/identity/cert.pem", copy.key), "cabinet-8", patience_s=20)
    node.end()


def test_who_wants_a_tpm_and_has_a_key_in_a_file_is_told(cabinet: Cabinet, tmp_path: Path) -> None:
    """By the command; the daemon would keep its link down."""
    made = Cabinet(cabinet.site, tmp_path / "made").make("", "cabinet-9")
    made.enrol()
    text = made.settings.read_text()
    made.settings.write_text(text.replace("[identity]\n", '[identity]\nkey = "tpm"\n'))
    with pytest.raises(IdentityError, match="enrol again with a new code"):
        made.enrol()
