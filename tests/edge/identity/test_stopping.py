"""A gateway that is to end waits for no centre and no TPM: all else is kept first, and the process ends."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.identity import tpm
from edge.identity.errors import IdentityError
from edge.identity.folder import IdentityFolder
from edge.identity.keys import FileKey
from edge.identity.tpm import Tpm
from tests.edge.identity.chains import Chain, pem, server_file
from tests.edge.identity.test_trust import now_ms

ENDS_S = 60.0
"""Far above what it takes, and far below what the centre and the program are silent for."""


def test_renewing_ends_at_once_and_so_does_the_process_while_the_centre_is_silent(tmp_path: Path) -> None:
    """The centre is still being asked when the renewing has ended, by a thread that holds up nothing."""
    chain, files = Chain(), IdentityFolder(tmp_path)
    server_file(files.key, chain.leaf_key).chmod(0o600)
    files.certificate.write_bytes(pem(chain.leaf((-80, 1)), chain.inter((-90, 400))))
    files.ca.write_bytes(pem(chain.inter((-90, 400)), chain.root()))
    words = [sys.executable, "-m", "tests.edge.identity.silent_centre", str(tmp_path), str(now_ms())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=ENDS_S, check=False)
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr


def test_a_program_that_asks_a_tpm_is_killed_where_nobody_waits_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is where a TPM does not answer."""
    os.mkfifo(tmp_path / "began")
    (tmp_path / "openssl").write_text(f"#!/bin/sh\necho > {tmp_path}/began\nexec sleep 1000\n")
    (tmp_path / "openssl").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
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
