"""A key that a TPM has made: it signs, proves who we are, is good nowhere else; what is wrong is told."""

import base64
import contextlib
import errno
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from edge.identity import folder, keys, tpm, trust, tss2
from edge.identity.errors import IdentityError
from edge.identity.keys import FileKey, TpmKey
from edge.identity.proving import Own
from edge.identity.tpm import Tpm
from edge.identity.trust import Known, LinkTls
from edge.settings import Identity
from owned_files import as_owner
from tests.edge.identity import simulated_tpm
from tests.edge.identity.simulated_tpm import SimulatedTpm
from tests.owned_files.strangers import needs_open_project, needs_root

MISSING = simulated_tpm.missing()
needs_a_tpm = pytest.mark.skipif(
    bool(MISSING), reason=f"no simulated TPM here (Debian: {MISSING}); make setup"
)
NOBODY = 65534
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedTpm]:
    """Lend a TPM that is switched on."""
    before = dict(os.environ)
    os.environ |= simulated_tpm.environment()
    with SimulatedTpm(tmp_path_factory.mktemp("tpm") / "one").running() as made:
        yield made
    os.environ.clear()
    os.environ |= before


def wanted(chip: SimulatedTpm) -> Identity:
    """Return settings that ask for this TPM."""
    return Identity(key="tpm", tpm=chip.tcti)


def private_in(content: bytes, public: ec.EllipticCurvePublicKey) -> bool:
    """Say whether 32 bytes in a row of a file, or of what its base64 stands for, are the private half."""
    bodies = re.findall(rb"-----BEGIN [^-]+-----(.+?)-----END", content, re.DOTALL)
    texts = [content, *(base64.b64decode(b"".join(each.split())) for each in bodies)]
    for text in texts:
        for at in range(len(text) - 31):
            number = int.from_bytes(text[at : at + 32])
            if 0 < number < ORDER and ec.derive_private_key(number, ec.SECP256R1()).public_key() == public:
                return True
    return False


@needs_a_tpm
def test_a_key_of_a_tpm_signs_and_its_private_half_is_in_no_file(chip: SimulatedTpm, tmp_path: Path) -> None:
    """The same search finds that of a key in a file."""
    made = keys.to_be_certified(tmp_path / "key.pem", wanted(chip))
    assert isinstance(made, TpmKey)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    read = keys.read(tmp_path / "key.pem", wanted(chip))
    read.public.verify(read.sign(b"data"), b"data", ec.ECDSA(SHA256()))
    assert read.public == made.public == keys.public(tmp_path / "key.pem")
    assert not private_in((tmp_path / "key.pem").read_bytes(), made.public)
    control = FileKey.make(tmp_path / "control.pem")
    assert private_in((tmp_path / "control.pem").read_bytes(), control.public)
    assert chip.loaded() == 0


@needs_a_tpm
def test_a_key_of_another_tpm_and_of_one_that_was_cleared_is_told_and_made_anew(
    chip: SimulatedTpm, tmp_path: Path
) -> None:
    """One of a former try that still serves is taken instead."""
    path = tmp_path / "key.pem"
    first = keys.to_be_certified(path, wanted(chip))
    assert keys.to_be_certified(path, wanted(chip)).public == first.public
    with SimulatedTpm(tmp_path / "other").running() as other:
        elsewhere = keys.read(path, wanted(other))
        assert elsewhere.public == first.public  # that is no secret
        with pytest.raises(IdentityError, match=r"key is not its own; it was cleared.*enrol --again"):
            elsewhere.sign(b"data")
        again = keys.to_be_certified(path, wanted(other))
        assert again.public != first.public
        other.clear()
        assert "key is not its own" in Tpm(other.tcti).wrong(path)


@needs_a_tpm
@needs_root
@needs_open_project
def test_root_that_works_in_another_users_folder_asks_the_tpm_as_that_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With nothing of root left: the file of the key may be a trap of theirs."""
    for name, value in simulated_tpm.environment().items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        theirs = place / "state"
        theirs.mkdir()
        os.chown(theirs, NOBODY, NOBODY)
        with SimulatedTpm(place / "tpm").running() as chip:
            for each in ("tpm", "chip.ctrl"):
                (chip.folder / each).chmod(0o666)
            with as_owner(theirs):
                made = keys.to_be_certified(theirs / "key.pem", wanted(chip))
                made.public.verify(made.sign(b"data"), b"data", ec.ECDSA(SHA256()))
            assert chip.users == {NOBODY}
        assert (theirs / "key.pem").stat().st_uid == NOBODY


@needs_a_tpm
def test_a_key_of_the_other_kind_is_not_used(chip: SimulatedTpm, tmp_path: Path) -> None:
    """Who has set that it is in the TPM can rely on it."""
    keys.to_be_certified(tmp_path / "tpm.pem", wanted(chip))
    FileKey.make(tmp_path / "file.pem")
    with pytest.raises(IdentityError, match=r'key of a file, but \[identity\] key = "tpm"; enrol again'):
        keys.read(tmp_path / "file.pem", wanted(chip))
    with pytest.raises(IdentityError, match=r'key of a TPM, but \[identity\] key = "file"'):
        keys.read(tmp_path / "tpm.pem", Identity())
    assert not keys.is_of_tpm(tmp_path / "file.pem")
    issued(tmp_path, keys.public(tmp_path / "file.pem"))
    files = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "file.pem"
    link = LinkTls(*files, lambda: Known(0, is_set=False), wanted(chip)).context()
    with socket.socket() as plain, pytest.raises(OSError, match="is a key of a file"):
        link.wrap_socket(plain, server_hostname="localhost")
    keys.to_be_certified(tmp_path / "file.pem", wanted(chip))
    assert keys.is_of_tpm(tmp_path / "file.pem")


def issued(into: Path, key: ec.EllipticCurvePublicKey) -> None:
    """Write an authority, a server of its with a key, and a certificate for ours."""
    secret = ec.generate_private_key(ec.SECP256R1())
    began = datetime.now(UTC) - timedelta(days=1)

    def made(name: str, public: ec.EllipticCurvePublicKey, *, ca: bool = False) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        return (
            x509.CertificateBuilder(issuer, named, public, x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
            .sign(secret, SHA256())
        )

    server = ec.generate_private_key(ec.SECP256R1())
    (into / "ca.pem").write_bytes(made("authority", secret.public_key(), ca=True).public_bytes(Encoding.PEM))
    (into / "cert.pem").write_bytes(made("gw-1", key).public_bytes(Encoding.PEM))
    (into / "server.pem").write_bytes(
        made("localhost", server.public_key()).public_bytes(Encoding.PEM)
        + server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def sessions(into: Path, tcti: str, rounds: int) -> dict[str, list[str]]:
    """Have a process connect, on two threads, so often each."""
    words = [sys.executable, "-m", "tests.edge.identity.tpm_sessions", str(into), tcti, str(rounds)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


@needs_a_tpm
def test_sessions_of_tls_are_proved_by_the_tpm_and_leave_nothing_in_it(
    chip: SimulatedTpm, tmp_path: Path
) -> None:
    """On two threads, by 1.2 and 1.3, more often than a TPM has places; keys in files work beside it."""
    issued(tmp_path, keys.to_be_certified(tmp_path / "key.pem", wanted(chip)).public)
    told = sessions(tmp_path, chip.tcti, 8)
    assert told["wrong"] == []
    assert sorted(told["seen"]) == [*["TLSv1.2 gw-1"] * 8, *["TLSv1.3 gw-1"] * 8, "TLSv1.3 localhost"]
    assert chip.loaded() == 0


@needs_a_tpm
def test_a_session_without_the_right_tpm_says_why(chip: SimulatedTpm, tmp_path: Path) -> None:
    """On another TPM, and on none; the key is good again where it was made."""
    issued(tmp_path, keys.to_be_certified(tmp_path / "key.pem", wanted(chip)).public)
    with SimulatedTpm(tmp_path / "other").running() as other:
        told = sessions(tmp_path, other.tcti, 1)
        assert all("key is not its own" in each for each in told["wrong"])
        assert (len(told["wrong"]), told["seen"]) == (2, ["TLSv1.3 localhost"])
    told = sessions(tmp_path, "device:/dev/no-tpm", 1)
    assert all("/dev/no-tpm: no such file or directory; is there a TPM" in each for each in told["wrong"])
    assert sessions(tmp_path, chip.tcti, 1)["wrong"] == []


@needs_a_tpm
def test_a_missing_provider_is_told_with_its_package(
    chip: SimulatedTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the program, and by the process that wants a session."""
    issued(tmp_path, keys.to_be_certified(tmp_path / "key.pem", wanted(chip)).public)
    monkeypatch.setenv("OPENSSL_MODULES", str(tmp_path))
    with pytest.raises(IdentityError, match="has no provider for it; apt install tpm2-openssl"):
        keys.to_be_certified(tmp_path / "other.pem", wanted(chip))
    assert not (tmp_path / "other.pem").exists()
    assert all("apt install tpm2-openssl" in each for each in sessions(tmp_path, chip.tcti, 1)["wrong"])


@needs_a_tpm
def test_a_tpm_that_does_not_answer_is_left(
    chip: SimulatedTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time, with what may be the matter; also where TLS wants the key, on a thread of ours."""
    made = keys.to_be_certified(tmp_path / "key.pem", wanted(chip))
    issued(tmp_path, made.public)
    tls = trust.context((tmp_path / "ca.pem").read_bytes(), lambda: Known(0, is_set=False))
    monkeypatch.setattr(tpm, "TIMEOUT_S", 0.3)
    chip.silent.set()
    try:
        with pytest.raises(IdentityError, match=r"no answer in 0\.3 s; is another program at it"):
            made.sign(b"data")
        with pytest.raises(IdentityError, match=r"does not sign: no answer in 0\.3 s"):
            Own(tmp_path / "cert.pem", tmp_path / "key.pem", wanted(chip)).given(tls)
    finally:
        chip.silent.clear()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOENT, "is there a TPM, and is it switched on"),
        (errno.EACCES, "of the group tss"),
        (errno.EPERM, "unit must allow the device"),
        (errno.EBUSY, "name /dev/tpmrm0"),
        (errno.EIO, "journalctl -k"),
    ],
)
def test_each_way_in_which_a_device_is_refused_has_its_remedy(number: int, remedy: str) -> None:
    """With the device, and with the page that tells more."""
    told = tpm.unreachable("/dev/tpmrm0", OSError(number, os.strerror(number)))
    assert told.startswith("the TPM /dev/tpmrm0: ")
    assert remedy in told
    assert (Path(__file__).parents[3] / re.findall(r"\((docs/\S+)\)", told)[0]).exists()


def test_a_device_that_this_user_may_not_open_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    """The stack itself would speak of an input/output failure."""
    device = tmp_path / "device"
    device.touch(mode=0)
    user = os.geteuid()
    if user == 0:
        tmp_path.chmod(0o755)
        os.seteuid(NOBODY)
    try:
        with pytest.raises(IdentityError, match="permission denied; its user must be of the group tss"):
            Tpm(f"device:{device}").made()
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ("Esys_CreatePrimary() Esys Finish ErrorCode (0x000009a2)", "owner hierarchy has a password"),
        (
            "genpkey: Error\n409756166C7F0000:error:40000002:tpm2::authorization failure::-1:",
            "has a password",
        ),
        ("Esys_Load() Esys Finish ErrorCode (0x00000902)", "no place for one more key; name /dev/tpmrm0"),
        ("Esys_Sign() Esys Finish ErrorCode (0x00000921)", "locked after wrong passwords"),
        ("Esys_Load() Esys Finish ErrorCode (0x000001df)", "enrol --again"),
        (
            "Esys_Hash() Esys Finish ErrorCode (0x00000101)\n40:error:commands not being accepted",
            "0x00000101",
        ),
        ("", "no reason told"),
    ],
)
def test_what_a_tpm_refuses_is_explained(told: str, remedy: str) -> None:
    """What is not known here is told in its own words."""
    assert remedy in tpm.explained("device:/dev/tpmrm0", "does not sign", told)


@pytest.mark.parametrize("name", ["cmd:reboot", "/tmp/library.so", "device:/etc/passwd", "", "mssim:host=x"])
def test_settings_name_a_tpm_and_nothing_that_is_run(name: str) -> None:
    """The software stack would also run commands and load libraries that its name names."""
    with pytest.raises(ValueError, match="tpm"):
        Identity(key="tpm", tpm=name)


VECTOR = Path(__file__).with_name("tss2_key.pem").read_bytes()
DER = base64.b64decode("".join(VECTOR.decode().splitlines()[1:-1]))


def pem(der: bytes) -> bytes:
    """Return bytes as such a file."""
    return tss2.BEGIN + b"\n" + base64.encodebytes(der) + tss2.END + b"\n"


def test_the_public_half_of_a_known_file_is_read() -> None:
    """As openssl reads it."""
    told = tss2.public(VECTOR).public_numbers()
    assert told.x == 0x51A53F1A0B2D92B0AA49CADB0623CCA8AF39CC63670CB204B0EAD93346EBA0AB
    assert told.y == 0x641F76FF22B5DA983B1A502C5BBC9C54DDD94D7B91402F704CA7ACF897375B69


@given(st.integers(0, len(DER) - 1), st.integers(1, 255), st.integers(0, len(DER)))
def test_a_broken_file_is_a_named_error_or_the_same_kind_of_key(at: int, flip: int, end: int) -> None:
    """Whatever byte is changed, and wherever it ends."""
    broken = bytearray(DER)
    broken[at] ^= flip
    for each in (bytes(broken), DER[:end], bytes(broken[:end])):
        with contextlib.suppress(tss2.Tss2Error):
            assert isinstance(tss2.public(pem(each)).curve, ec.SECP256R1)


def test_a_key_that_was_brought_into_a_tpm_is_refused(tmp_path: Path) -> None:
    """It has been somewhere else before: without fixedTPM, fixedParent or sensitiveDataOrigin."""
    at = DER.index(bytes.fromhex("00060072"))
    for bit in (0x02, 0x10, 0x20):
        changed = DER[: at + 3] + bytes([0x72 & ~bit]) + DER[at + 4 :]
        folder.replace(tmp_path / "key.pem", pem(changed), folder.PRIVATE)
        with pytest.raises(IdentityError, match="was not made in a TPM to stay there"):
            keys.public(tmp_path / "key.pem")
