"""The TPM, asked by the ``openssl`` program: it makes a key, signs with it, and says what is wrong.

A process of its own for each request: a TPM that hangs is left after a time, and what was loaded into it goes
with the process. TLS needs the key inside of this process: ``provider.py``.
"""

import errno
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from edge.identity.errors import IdentityError

TIMEOUT_S = 60.0
"""A slow TPM takes seconds to make a key; the kernel itself gives one up after some minutes."""
WORDS_CHARACTERS_MAX = 200
DEVICE = "device:"
HOW_TO = "docs/how-to/tpm.md"

TCTI_VARIABLE, LOG_VARIABLE = "TPM2OPENSSL_TCTI", "TSS2_LOG"
SIGNING = "?tpm2.signature=yes"
"""Signatures by the TPM's provider, all else by OpenSSL's own."""

ONE_AT_A_TIME = threading.RLock()
"""Held by whoever in this process is at the TPM: it has three places for keys, and serves no two threads."""

_ASKING: set[subprocess.Popen[bytes]] = set()
"""What runs now: one at most."""

_FAILED = re.compile(r"ErrorCode \((0x[0-9a-f]+)\)")
_INTEGRITY, _AUTHORISATIONS = 0x01F, (0x022, 0x00E)
_LOCKOUT, _FULL = 0x921, 0x902
_FORMAT_ONE = 0x080


@dataclass(frozen=True)
class Tpm:
    """One TPM, by the name that the TPM2 software stack has for it (TCTI)."""

    tcti: str

    def made(self) -> bytes:
        """Return a new key as PEM, wrapped by this TPM: useless elsewhere; IdentityError."""
        words = ["genpkey", "-quiet", *_providers("provider=tpm2"), "-algorithm", "EC"]
        return self._asked([*words, "-pkeyopt", "group:P-256"], b"", "makes no key")

    def signed(self, key: Path, data: bytes) -> bytes:
        """Return the signature of data (ECDSA with SHA-256, as DER) by a key of its; IdentityError."""
        words = ["dgst", *_providers(SIGNING), "-sha256", "-sign", str(key)]
        return self._asked(words, data, "does not sign")

    def wrong(self, key: Path) -> str:
        """Return what is wrong with this TPM or with the key there; nothing where it can be used."""
        try:
            self.signed(key, b"")
        except IdentityError as error:
            return str(error)
        return ""

    def _asked(self, words: list[str], data: bytes, what: str) -> bytes:
        program = shutil.which("openssl")
        if program is None:
            raise IdentityError(
                f"the program openssl is missing; apt install openssl tpm2-openssl ({HOW_TO})"
            )
        _reached(self.tcti)
        user, group = _whole_user()
        environment = {**os.environ, TCTI_VARIABLE: self.tcti, LOG_VARIABLE: "all+ERROR"}
        try:
            with ONE_AT_A_TIME:
                done = _ran([program, *words], data, environment, user, group)
        except subprocess.TimeoutExpired as error:
            raise IdentityError(
                f"the TPM {named(self.tcti)} {what}: no answer in {TIMEOUT_S:g} s; is another program at it "
                f"all the time? else cut the power for a while ({HOW_TO})"
            ) from error
        if done.returncode or not done.stdout:
            raise IdentityError(explained(self.tcti, what, done.stderr.decode("utf-8", "replace")))
        return done.stdout


def give_up() -> None:
    """Kill the program that asks a TPM, if one runs: nobody waits for its answer any more."""
    for asking in tuple(_ASKING):
        asking.kill()


def _ran(
    command: list[str], data: bytes, environment: dict[str, str], user: int | None, group: int | None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; subprocess.TimeoutExpired. ``give_up`` kills it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, user=user, group=group
    ) as asking:
        _ASKING.add(asking)
        try:
            told, wrong = asking.communicate(data, TIMEOUT_S)
        except BaseException:
            asking.kill()
            raise
        finally:
            _ASKING.discard(asking)
    return subprocess.CompletedProcess(command, asking.returncode, told, wrong)


def _whole_user() -> tuple[int, int] | tuple[None, None]:
    """Return whom root acts as, to be for good: half of root is not for what reads files of others."""
    return (None, None) if os.getuid() == os.geteuid() else (os.geteuid(), os.getegid())


def explained(tcti: str, what: str, told: str) -> str:
    """Return what happened and what to do, from what openssl and the stack have said. Pure."""
    begins = f"the TPM {named(tcti)} {what}: "
    if "could not load the shared library" in told:
        return f"{begins}OpenSSL has no provider for it; apt install tpm2-openssl ({HOW_TO})"
    codes = [int(each, 16) for each in _FAILED.findall(told)]
    for code in codes:
        if code & _FORMAT_ONE and code & 0x3F == _INTEGRITY:
            return (
                f"{begins}the key is not its own; it was cleared since, or the key is another's: enrol again "
                "with a new code (gengfu edge enrol --again)"
            )
        if code == _FULL:
            return (
                f"{begins}it has no place for one more key; name /dev/tpmrm0 or tabrmd, which share them "
                f"({HOW_TO})"
            )
        if code == _LOCKOUT:
            return (
                f"{begins}it is locked after wrong passwords; wait, or tpm2_dictionarylockout -c ({HOW_TO})"
            )
    if "authorization failure" in told or any(_refused(each) for each in codes):
        return f"{begins}its owner hierarchy has a password; take that away, or clear the TPM ({HOW_TO})"
    lines = [line for line in told.splitlines() if "rror" in line] or told.splitlines() or ["no reason told"]
    return f"{begins}{lines[0].strip()[:WORDS_CHARACTERS_MAX]} ({HOW_TO})"


def named(tcti: str) -> str:
    """Return a TPM as people know it."""
    return tcti.removeprefix(DEVICE)


def _refused(code: int) -> bool:
    return bool(code & _FORMAT_ONE) and code & 0x3F in _AUTHORISATIONS


def _reached(tcti: str) -> None:
    """IdentityError where a device cannot be opened: the stack would say no more than "IO failure"."""
    if not tcti.startswith(DEVICE):
        return
    path = tcti.removeprefix(DEVICE)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise IdentityError(unreachable(path, error)) from error


def unreachable(path: str, error: OSError) -> str:
    """Return why a device cannot be opened, and what to do. Pure."""
    missing = "is there a TPM, and is it switched on in the firmware? see  ls -l /dev/tpm*"
    remedies = {
        errno.ENOENT: missing,
        errno.ENXIO: missing,
        errno.ENODEV: missing,
        errno.EACCES: "its user must be of the group tss: usermod --append --groups tss gengfu",
        errno.EPERM: "the service's unit must allow the device, by a drop-in",
        errno.EBUSY: "another program has it for itself; name /dev/tpmrm0, which many can use",
    }
    remedy = remedies.get(error.errno or 0, "see  journalctl -k | grep -i tpm")
    return f"the TPM {path}: {(error.strerror or str(error)).lower()}; {remedy} ({HOW_TO})"


def _providers(query: str) -> list[str]:
    """OpenSSL's own first: what the query leaves open is not for the TPM."""
    return ["-provider", "default", "-provider", "tpm2", "-propquery", query]
