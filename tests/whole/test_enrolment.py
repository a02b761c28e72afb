"""A gateway enrols at a real port of enrolment: trust by fingerprint, steps that may be repeated, renewal."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from collector.database import Database
from collector.enrolment import authority, certificates, codes, listener
from collector.enrolment.answering import Answering, Told, certificates_told
from collector.enrolment.authority import Authority, KeySigner
from collector.enrolment.authority_files import key_pem
from collector.enrolment.codes import NewCode
from collector.enrolment.desk import EnrolmentDesk
from collector.enrolment.settings import Enrolment
from collector.people.roles import LOCAL
from collector.tls_files import TlsFiles
from contract.errors import ContractError
from contract.samples import ClockState
from edge import checks
from edge.clock import Moment
from edge.identity import enrolling, folder
from edge.identity.enrolling import Wish
from edge.identity.errors import EnrolError, IdentityError
from edge.identity.folder import IdentityFolder
from edge.identity.renewal import Knowing, Renewing
from edge.identity.trust import Known
from edge.settings import Settings
from gengfu import report_facts
from toml_files import TomlFile

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
KNOWN = Known(NOW_MS, is_set=True)
PUBLIC_KEY = "ed25519:" + "A" * 43
SETTINGS = """# ours
schema = 1
district = "north"
gateway = "gw-1"
[broker]
host = "127.0.0.1"  # the centre's
# port = 1883
[[lines]]
kind = "tcp"
name = "meters"
host = "127.0.0.1"
[[devices]]
name = "meter"
line = "meters"
profile = "qdy30a"
"""


@dataclass
class Centre:
    """A port of enrolment on a thread of its own, and what it knows."""

    authority: Authority
    state: Database
    folder: Path
    port: int = 0
    now_ms: int = NOW_MS
    desk: EnrolmentDesk | None = None
    offered: tuple[x509.Certificate, ...] = ()
    """What it says beside its own authority to who asks whom to trust."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://localhost:{self.port}"

    def code(self, code: str = "2222-2222-2222-2222") -> str:
        """Make a code."""
        new = NewCode("gw-1", code, self.now_ms + 3_600_000)
        self.state.write_now(lambda db: codes.make(db, LOCAL, self.now_ms, new, 100))
        return code

    def wish(self, **more: object) -> Wish:
        """Return what a technician asks for."""
        told = {"code": "", "fingerprint": self.authority.fingerprint} | more
        return Wish(self.folder / "edge.toml", self.url, **told)  # type: ignore[arg-type]

    @property
    def settings(self) -> Settings:
        """The gateway's, as they are now."""
        return TomlFile.read(self.folder / "edge.toml").parse(Settings)

    @property
    def files(self) -> IdentityFolder:
        """Where its identity is."""
        return IdentityFolder(self.folder / "state" / folder.NAME)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Serve the port."""
        self.desk = desk = EnrolmentDesk(Enrolment(), "north", self.authority)
        files = TlsFiles(self.folder / "server.pem", self.folder / "server.key")
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.authority.server(
            ("localhost",), key.public_key(), serial=3, now_ms=NOW_MS - DAY_MS, valid_days=400
        )
        files.cert.write_bytes(leaf.public_bytes(Encoding.PEM))
        files.key.write_bytes(key_pem(key))
        loop, stop = asyncio.new_event_loop(), asyncio.Event()
        ready = threading.Event()

        async def serve() -> None:
            facts = {"district": "north", "public_keys": [PUBLIC_KEY]}
            answering = Answering(desk, self.state, facts, now_ms=lambda: self.now_ms)
            if self.offered:
                answering._told = lambda path: listener_told(self, path)  # type: ignore[method-assign]
            port = socket.create_server(("127.0.0.1", 0))
            self.port = port.getsockname()[1]
            made = listener.Listener(
                answering.answer, connections_max=8, timeout_s=10, monotonic_s=time.monotonic
            )
            with port:
                async with made.serving(port, listener.context(files, self.authority.pem)):
                    ready.set()
                    await stop.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        ready.wait(10)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


def listener_told(centre: Centre, path: str) -> Told:
    """Answer cacerts with strangers beside the authority."""
    if path.endswith("cacerts"):
        return certificates_told((*centre.offered, *centre.authority.chain))
    return Told(200, b"{}")


def root(serial: int = 1) -> Authority:
    """Return an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return authority.root("north", key, serial=serial, now_ms=NOW_MS - DAY_MS, valid_days=4000)


@dataclass
class Outside:
    """An outside authority: a root, one between, which is certified anew at times, and ours below it."""

    root_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    middle_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    our_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    serials: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Make what stays."""
        self._root = self._certified("root", self.root_key, "root", self.root_key, 4000)
        self._ours = self._certified("ours", self.our_key, "middle", self.middle_key, 4000)

    def authority(self, middle_days: float) -> Authority:
        """Return ours, where the one between ends so many days from now."""
        middle = self._certified("middle", self.middle_key, "root", self.root_key, middle_days)
        return Authority((self._ours, middle, self._root), KeySigner(self.our_key))

    def _certified(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        days: float,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(next(self.serials))
            .not_valid_before(datetime.fromtimestamp((NOW_MS - DAY_MS) / 1000, UTC))
            .not_valid_after(datetime.fromtimestamp((NOW_MS + days * DAY_MS) / 1000, UTC))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )
        return builder.sign(issuer_key, SHA256())


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Lend a served centre, with a gateway's settings beside it."""
    state = Database(tmp_path / "collector.db", "state")
    made = Centre(root(), state, tmp_path)
    (tmp_path / "edge.toml").write_text(SETTINGS)
    with made.served():
        yield made
    state.close()


def test_one_command_leaves_an_identity_and_settings_that_load(centre: Centre) -> None:
    """The key for its owner only, the comments kept; and a second time changes nothing."""
    done = enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    assert (done.gateway, done.asked, done.broker) == ("gw-1", True, "localhost:8883")
    assert centre.files.key.stat().st_mode & 0o777 == 0o600
    text = (centre.folder / "edge.toml").read_text()
    assert text.startswith("# ours\n")
    assert "# the centre's" in text
    settings, _ = checks.load(centre.folder / "edge.toml")
    assert settings.broker.tls_cert_file == "state/identity/cert.pem"
    assert (settings.identity.centre, settings.centre.public_keys) == (centre.url, [PUBLIC_KEY])
    before = {
        path: path.read_bytes() for path in centre.folder.rglob("*") if path.suffix in (".pem", ".toml")
    }
    again = enrolling.enrol(centre.wish(code="used"), centre.settings, KNOWN)
    assert not again.asked
    assert all(path.read_bytes() == content for path, content in before.items())


def test_it_enrols_as_what_the_centre_calls_it(centre: Centre) -> None:
    """Name and district get into settings that were laid down with others; an identity is not renamed."""
    path = centre.folder / "edge.toml"
    laid = SETTINGS.replace('"gw-1"', '"site-1"  # unique').replace('"north"', '"elsewhere"')
    path.write_text(laid)
    code = centre.code()
    with pytest.raises(EnrolError, match="fingerprint"):
        enrolling.enrol(centre.wish(code=code, gateway="gw-1", fingerprint="00"), centre.settings, KNOWN)
    assert path.read_text() == laid
    done = enrolling.enrol(centre.wish(code=code, gateway="gw-1"), centre.settings, KNOWN)
    assert (done.gateway, done.asked) == ("gw-1", True)
    settings, _ = checks.load(path)
    assert (settings.gateway, settings.district) == ("gw-1", "north")
    assert "# unique" in path.read_text()
    with pytest.raises(EnrolError, match="enrolled as gw-1; --again"):
        enrolling.enrol(centre.wish(code=code, gateway="gw-2"), centre.settings, KNOWN)
    with pytest.raises(ContractError, match="gateway 'Gw 1'"):
        enrolling.enrol(centre.wish(code=code, gateway="Gw 1"), centre.settings, KNOWN)
    assert checks.load(path)[0].gateway == "gw-1"


def test_whose_fingerprint_is_not_given_is_not_believed(centre: Centre) -> None:
    """It is shown to be compared; a wrong one is refused, and no code is told to anybody."""
    code = centre.code()
    for given in ("", "00" * 32):
        with pytest.raises(EnrolError, match=centre.authority.fingerprint):
            enrolling.enrol(centre.wish(code=code, fingerprint=given), centre.settings, KNOWN)
    assert not centre.files.key.exists()
    colons = ":".join(centre.authority.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    assert enrolling.enrol(centre.wish(code=code, fingerprint=colons), centre.settings, KNOWN).asked


def test_what_is_offered_beside_the_pinned_authority_is_not_trusted(tmp_path: Path) -> None:
    """Whoever is in between may name other authorities: none of them gets into the file."""
    state = Database(tmp_path / "collector.db", "state")
    stranger = root(serial=9)
    made = Centre(root(), state, tmp_path, offered=stranger.chain)
    (tmp_path / "edge.toml").write_text(SETTINGS)
    with made.served():
        enrolling.enrol(made.wish(code=made.code()), made.settings, KNOWN)
    state.close()
    kept = x509.load_pem_x509_certificates(made.files.ca.read_bytes())
    assert [each.fingerprint(SHA256()) for each in kept] == [made.authority.issuer.fingerprint(SHA256())]


def test_a_lost_answer_costs_nothing(centre: Centre) -> None:
    """The power is cut after the centre has answered: the same code is tried again, and gives the same."""
    code = centre.code()
    enrolling.enrol(centre.wish(code=code), centre.settings, KNOWN)
    first = centre.files.certificate.read_bytes()
    centre.files.certificate.unlink()
    assert enrolling.enrol(centre.wish(code=code), centre.settings, KNOWN).asked
    assert centre.files.certificate.read_bytes() == first


@pytest.mark.parametrize("cut_at", ["before the key", "after the key", "at the end"])
def test_a_new_key_takes_over_whole_wherever_the_power_is_cut(
    centre: Centre, cut_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is always a certificate for the key that is there."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    before = centre.files.key.read_bytes()

    class Cut(BaseException):
        """The power."""

    def cut(*_: object) -> None:
        raise Cut

    if cut_at == "before the key":
        monkeypatch.setattr(Path, "replace", cut_at_key(Path.replace, cut))
    elif cut_at == "after the key":
        monkeypatch.setattr(enrolling, "recover", once_only(enrolling.recover, cut))
    again = centre.wish(code=centre.code("3333-3333-3333-3333"), again=True)
    with contextlib.suppress(Cut):
        enrolling.enrol(again, centre.settings, KNOWN)
    monkeypatch.undo()
    enrolling.recover(centre.files)
    held = enrolling.identity(centre.files)
    assert held is not None
    assert (centre.files.key.read_bytes() == before) == (cut_at == "before the key")


def cut_at_key(real: object, cut: object) -> object:
    """Return a rename that is cut off where the key would take its place."""

    def replace(self: Path, target: Path) -> Path:
        if self.name == "key.new.pem":
            cut()  # type: ignore[operator]
        return real(self, target)  # type: ignore[operator, no-any-return]

    return replace


def once_only(real: object, cut: object) -> object:
    """Return what works the first time, and is cut off the second."""
    calls: list[int] = []

    def recover(files: IdentityFolder) -> None:
        calls.append(1)
        if len(calls) > 1:
            cut()  # type: ignore[operator]
        real(files)  # type: ignore[operator]

    return recover


@pytest.mark.parametrize("which", ["cert.pem", "cert.new.pem", "ca.pem"])
def test_a_damaged_certificate_keeps_nothing_from_starting_and_enrolling_again_heals_it(
    centre: Centre, which: str
) -> None:
    """A card gives back zeros: lines and rules begin, and the advice that the log gives is no dead end."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    (centre.files.path / which).write_bytes(bytes(700))
    settings, _ = checks.load(centre.folder / "edge.toml")
    path = centre.folder / "edge.toml"
    code = centre.code("3333-3333-3333-3333")
    assert enrolling.needs_code(path, settings, again=False) == (which == "cert.pem")
    with contextlib.suppress(EnrolError, IdentityError, OSError):
        renewing(centre, NOW_MS, ClockState.SYNCHRONISED, 0).look()
    enrolling.enrol(centre.wish(code=code), settings, KNOWN)
    assert not (centre.files.path / "cert.new.pem").exists()
    assert enrolling.identity(centre.files) is not None
    assert enrolling.certificates(centre.files.ca)[-1] == centre.authority.chain[-1]
    assert not renewing(centre, NOW_MS, ClockState.SYNCHRONISED, 0).look()


def test_a_key_that_others_could_read_is_not_used(centre: Centre) -> None:
    """It says what to do."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    centre.files.key.chmod(0o644)
    with pytest.raises(IdentityError, match="has mode 0644"):
        enrolling.enrol(centre.wish(), centre.settings, KNOWN)


def renewing(centre: Centre, wall_ms: int, clock: ClockState, down_s: float) -> Renewing:
    """Return what renews, at this time."""
    knowing = Knowing(lambda: Moment(0, wall_ms, clock))
    return Renewing(centre.settings, centre.files, knowing, Random(1), down_s=lambda: down_s)


def test_a_certificate_is_renewed_after_half_of_its_life_and_not_before(centre: Centre) -> None:
    """With the same key, for the next connection."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    first, key = centre.files.certificate.read_bytes(), centre.files.key.read_bytes()
    centre.now_ms += 40 * DAY_MS
    assert not renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 9e9).look()
    centre.now_ms += 20 * DAY_MS
    assert renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()
    assert centre.files.certificate.read_bytes() != first
    assert centre.files.key.read_bytes() == key
    assert not renewing(centre, centre.now_ms, ClockState.HOLDOVER, 0).look()


def test_a_board_in_1970_renews_what_is_over_once_its_link_stays_down(centre: Centre) -> None:
    """The centre knows the time; the board only knows that it cannot get in."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    centre.now_ms += 181 * DAY_MS
    assert not renewing(centre, 60_000, ClockState.UNSET, 30).look()
    board = renewing(centre, 60_000, ClockState.UNSET, 300)
    assert board.look()
    assert not board.look()  # it is good now; why else the link is down, another one does not mend


def test_who_is_dark_for_longer_than_the_rule_is_told_why(centre: Centre) -> None:
    """In the centre's words, with its status."""
    enrolling.enrol(centre.wish(code=centre.code()), centre.settings, KNOWN)
    centre.now_ms += 300 * DAY_MS
    with pytest.raises(EnrolError, match="has been over for 210 days, 180 at most") as caught:
        renewing(centre, 60_000, ClockState.UNSET, 300).look()
    assert caught.value.status == 403


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Outside, Centre]]:
    """Lend a centre whose authority is below an outside one's, with a gateway that is enrolled there."""
    above = Outside()
    state = Database(tmp_path / "collector.db", "state")
    made = Centre(above.authority(middle_days=4000), state, tmp_path)
    (tmp_path / "edge.toml").write_text(SETTINGS)
    with made.served():
        enrolling.enrol(made.wish(code=made.code()), made.settings, KNOWN)
        yield above, made
    state.close()


def middle_ends(centre: Centre, authority: Authority) -> None:
    """Have the gateway hold this chain, whose keys are those that it knows."""
    held = enrolling.certificates(centre.files.certificate)[0]
    folder.replace(centre.files.ca, authority.pem, folder.PUBLIC)
    enrolling.keep(centre.files, held, list(authority.chain))


def test_what_ends_first_in_the_chain_makes_it_due_and_the_new_chain_is_fetched(
    outside: tuple[Outside, Centre],
) -> None:
    """An authority between ends in 20 days, and was certified anew: the gateway has that before the end."""
    above, centre = outside
    middle_ends(centre, above.authority(middle_days=20))
    assert not renewing(centre, NOW_MS + 5 * DAY_MS, ClockState.SYNCHRONISED, 0).look()
    centre.now_ms = NOW_MS + 15 * DAY_MS
    assert renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()
    kept = [enrolling.certificates(each) for each in (centre.files.certificate, centre.files.ca)]
    assert kept[1] == list(centre.authority.chain)
    assert kept[0][1:] == kept[1][:-1]
    assert not renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()


def test_an_authority_with_a_new_key_is_fetched_and_the_one_before_stays_while_it_holds(
    outside: tuple[Outside, Centre],
) -> None:
    """The broker may still be certified by that; what is issued from now on is traced by the new one."""
    above, centre = outside
    assert centre.desk
    old = list(centre.authority.chain)
    above.middle_key = ec.generate_private_key(ec.SECP256R1())
    above.our_key = ec.generate_private_key(ec.SECP256R1())
    above.__post_init__()
    new = above.authority(middle_days=900)
    centre.desk.authority = replace(new, chain=(*new.chain[:-1], old[-1]))
    centre.now_ms = NOW_MS + 60 * DAY_MS
    assert renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()
    assert enrolling.certificates(centre.files.ca) == [*new.chain[:-1], *old]
    assert not renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()
    centre.now_ms = NOW_MS + 120 * DAY_MS
    assert renewing(centre, centre.now_ms, ClockState.SYNCHRONISED, 0).look()


def test_who_cannot_help_is_told_once_and_no_certificates_are_made_in_vain(
    outside: tuple[Outside, Centre], caplog: pytest.LogCaptureFixture
) -> None:
    """The centre itself has nothing that ends later: it says which authority ends, and when."""
    above, centre = outside
    assert centre.desk
    old = above.authority(middle_days=20)
    middle_ends(centre, old)
    centre.desk.authority = old
    gateway = renewing(centre, NOW_MS + 15 * DAY_MS, ClockState.SYNCHRONISED, 0)
    for _ in range(2):
        with pytest.raises(EnrolError, match=r"CN=middle ends on .* none that ends later"):
            gateway.look()
    count_ = centre.state.read_now(lambda db: certificates.issued_since(db, "gw-1", 0))
    assert count_ == 1
    gateway = renewing(centre, NOW_MS + 21 * DAY_MS, ClockState.SYNCHRONISED, 0)
    for _ in range(2):
        with pytest.raises(EnrolError):
            gateway.look()
    assert caplog.text.count("the certificate of CN=middle is over") == 1


def test_a_report_of_the_gateway_tells_an_authority_that_is_over(outside: tuple[Outside, Centre]) -> None:
    """Though its own certificate holds: the bundle and the report have the whole chain."""
    above, centre = outside
    middle_ends(centre, above.authority(middle_days=20))
    told = report_facts.facts(
        centre.folder / "edge.toml", "Li", NOW_MS + 21 * DAY_MS, ask=False, tell=lambda what: None
    )
    wrong = [each["of"] for each in told["not_well"] if each["what"] == "certificate_time"]
    assert wrong == [["CN=middle"]]
    done = enrolling.enrol(centre.wish(fingerprint=""), centre.settings, KNOWN)
    assert done.not_after_ms == NOW_MS + 20 * DAY_MS
