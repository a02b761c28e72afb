"""The files of TLS that the settings name are looked at with the settings: line, reason, remedy."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from edge import checks
from edge.identity.keys import FileKey
from edge.settings import EXAMPLE
from tests.edge.identity.test_trust import pem
from toml_files import TomlFileError


def told(tmp_path: Path, *keys: str) -> list[str]:
    """Return what is told of the example with these keys of ``[broker]``."""
    file = tmp_path / "edge.toml"
    file.write_text(EXAMPLE.read_text().replace("[broker]\n", "[broker]\n" + "".join(f"{k}\n" for k in keys)))
    try:
        checks.load(file)
    except TomlFileError as error:
        return [str(problem).partition(": ")[2] for problem in error.problems]
    return []


CA, CERT, KEY = 'tls_ca_file = "ca.pem"', 'tls_cert_file = "ca.pem"', 'tls_key_file = "key.pem"'


def test_what_is_missing_readable_by_others_or_of_another_is_told(tmp_path: Path) -> None:
    """One thing at a time, by the key that names it."""
    trusted, _ = pem(1, 30, tmp_path)
    assert "tls_ca_file" in told(tmp_path, CA)[0]
    (tmp_path / "ca.pem").write_bytes(trusted)
    assert told(tmp_path, CA) == []
    assert "belong together" in told(tmp_path, CA, CERT)[0]
    assert "without tls_ca_file" in told(tmp_path, CERT, KEY)[0]
    assert "tls_key_file" in told(tmp_path, CA, CERT, KEY)[0]
    FileKey.make(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o640)
    assert "has mode 0640" in told(tmp_path, CA, CERT, KEY)[0]
    (tmp_path / "key.pem").chmod(0o600)
    assert "cannot be used together" in told(tmp_path, CA, CERT, KEY)[0]


def test_a_certificate_that_is_over_is_no_mistake(tmp_path: Path) -> None:
    """The gateway starts, and renews it."""
    _, path = pem(90, 30, tmp_path)
    path.chmod(0o600)
    names = [f'{key} = "server.pem"' for key in ("tls_ca_file", "tls_cert_file", "tls_key_file")]
    assert told(tmp_path, *names) == []


def test_a_damaged_certificate_is_no_mistake_of_the_settings(tmp_path: Path) -> None:
    """Lines and rules begin without the link, be it the authority's or the gateway's own."""
    trusted, _ = pem(1, 30, tmp_path)
    FileKey.make(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(bytes(700))
    (tmp_path / "ca.pem").write_bytes(trusted)
    assert told(tmp_path, CA, CERT.replace("ca.pem", "cert.pem"), KEY) == []
    (tmp_path / "ca.pem").write_bytes(bytes(700))
    assert told(tmp_path, CA) == []


def test_a_key_is_made_for_its_owner_only_and_signs(tmp_path: Path) -> None:
    """Whatever the umask is; what it signs can be verified."""
    before = os.umask(0)
    try:
        key = FileKey.make(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    FileKey.read(tmp_path / "key.pem").public.verify(key.sign(b"data"), b"data", ec.ECDSA(SHA256()))
