"""A gateway that is to end waits for no centre and no TPM: all else is kept first, and the process ends."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from edge.identity import keys, tpm
from edge.identity.errors import IdentityError
from edge.identity.folder import IdentityFolder
from edge.identity.keys import FileKey
from edge.identity.tpm import Tpm
from tests.edge.configuration.making import written
from tests.edge.identity.chains import Chain, pem, server_file
from tests.edge.identity.test_trust import now_ms

ENDS_S = 60.0
"""Far above what it takes, and far below what the centre and the program are silent for."""

SETTINGS = """port = {port}
tls_ca_file = "ca.pem"
tls_cert_file = "cert.pem"
tls_key_file = "key.pem"
[identity]
key = "tpm"
tpm = "swtpm:path=/nowhere"
"""


def test_renewing_ends_at_once_and_so_does_the_process_while_the_centre_is_silent(tmp_path: Path) -> None:
    """The centre is still being asked when the renewing has ended, by a thread that holds up nothing."""
    chain, files = Chain(), IdentityFolder(tmp_path)
    server_file(files.key, chain.leaf_key).chmod(0o600)
    files.certificate.write_bytes(pem(chain.leaf((-80, 1)), chain.inter((-90, 400))))
    files.ca.write_bytes(pem(chain.inter((-90, 400)), chain.root()))
    words = [sys.executable, "-m", "tests.edge.identity.silent_centre", str(tmp_path), str(now_ms())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=ENDS_S, check=False)
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr


def hanging_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay down an openssl that hangs; who reads of ``began`` gets to know when it has begun."""
    os.mkfifo(folder / "began")
    (folder / "openssl").write_text(f"#!/bin/sh\necho > {folder}/began\nexec sleep 1000\n")
    (folder / "openssl").chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_program_that_asks_a_tpm_is_killed_where_nobody_waits_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is where a TPM does not answer."""
    hanging_program(tmp_path, monkeypatch)
    FileKey.make(tmp_path / "key.pem")
    told: list[str] = []

    def ask() -> None:
        try:
            Tpm("swtpm:path=/nowhere").signed(tmp_path / "key.pem", b"")
        except IdentityError as error:
            told.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    (tmp_path / "began").read_text()
    tpm.give_up()
    asking.join(ENDS_S / 2)
    assert told, "it hangs"


def test_a_gateway_ends_while_its_link_waits_for_a_tpm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that connects is the event loop's own, which would wait for it."""
    hanging_program(tmp_path, monkeypatch)
    key = tmp_path / "key.pem"
    key.write_bytes(Path(__file__).with_name("tss2_key.pem").read_bytes())
    key.chmod(0o600)
    chain = Chain()
    (tmp_path / "ca.pem").write_bytes(pem(chain.root()))
    (tmp_path / "cert.pem").write_bytes(pem(certificate_for(keys.public(key), chain)))
    with socket.create_server(("127.0.0.1", 0)) as broker:
        more = SETTINGS.format(port=broker.getsockname()[1])
        file = written(tmp_path, host="127.0.0.1")
        file.write_text(file.read_text().replace("[centre]", f"{more}[centre]"))
        words = [sys.executable, "-m", "tests.edge.identity.silent_tpm", str(file), str(tmp_path / "began")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=ENDS_S, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def certificate_for(key: ec.EllipticCurvePublicKey, chain: Chain) -> x509.Certificate:
    """Return a certificate of the root for a key whose private half is elsewhere."""
    root = chain.root()
    return (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.subject)
        .public_key(key)
        .serial_number(7)
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
        .sign(chain.root_key, SHA256())
    )
