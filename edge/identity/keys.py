"""The gateway's key: made here, ECDSA on P-256, and never told; in a file, or in the machine's TPM."""

from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edge.identity import folder, tss2
from edge.identity.errors import IdentityError
from edge.identity.tpm import Tpm
from edge.settings import Identity


class Key(Protocol):
    """A key that signs; what it is made of stays where it is."""

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature (ECDSA with SHA-256, as DER)."""


class FileKey:
    """A key in a file that nobody but its owner may read."""

    def __init__(self, secret: ec.EllipticCurvePrivateKey) -> None:
        """Use ``make`` or ``read``."""
        self._secret = secret

    @classmethod
    def make(cls, path: Path) -> "FileKey":
        """Make a key and its file; OSError where the disk refuses."""
        secret = ec.generate_private_key(ec.SECP256R1())
        pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        folder.replace(path, pem, folder.PRIVATE)
        return cls(secret)

    @classmethod
    def read(cls, path: Path) -> "FileKey":
        """Return the key of a file; IdentityError where it cannot be trusted, or is none."""
        folder.check_private(path)
        try:
            secret = load_pem_private_key(folder.read(path), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityError(f"{path}: holds no key; remove it and enrol again with a new code") from error
        if not isinstance(secret, ec.EllipticCurvePrivateKey) or not isinstance(secret.curve, ec.SECP256R1):
            raise IdentityError(f"{path}: is no key of ECDSA on P-256; remove it and enrol again")
        return cls(secret)

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """See Key."""
        return self._secret.public_key()

    def sign(self, data: bytes) -> bytes:
        """See Key."""
        return self._secret.sign(data, ec.ECDSA(SHA256()))


class TpmKey:
    """A key that a TPM has made. Its file is good for that TPM alone; signing asks the TPM."""

    def __init__(self, path: Path, public: ec.EllipticCurvePublicKey, tpm: Tpm) -> None:
        """Use ``make`` or ``read``."""
        self._path, self._public, self._tpm = path, public, tpm

    @classmethod
    def make(cls, path: Path, tpm: Tpm) -> "TpmKey":
        """Have a key made, and keep its file; IdentityError, OSError where the disk refuses."""
        pem = tpm.made()
        public = _public_of_tpm(path, pem)
        folder.replace(path, pem, folder.PRIVATE)
        return cls(path, public, tpm)

    @classmethod
    def read(cls, path: Path, tpm: Tpm) -> "TpmKey":
        """Return the key of a file, without asking the TPM; IdentityError where it is none."""
        folder.check_private(path)
        return cls(path, _public_of_tpm(path, folder.read(path)), tpm)

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """See Key."""
        return self._public

    @property
    def is_usable(self) -> bool:
        """Whether the TPM signs with it now."""
        return not self._tpm.wrong(self._path)

    def sign(self, data: bytes) -> bytes:
        """See Key; IdentityError where the TPM does not."""
        return self._tpm.signed(self._path, data)


def read(path: Path, wanted: Identity) -> Key:
    """Return the key of a file; IdentityError where it is none, or not of the kind that is wanted."""
    if is_of_tpm(path) != (wanted.key == "tpm"):
        there, other = ("tpm", "a TPM") if wanted.key == "file" else ("file", "a file")
        raise IdentityError(
            f'{path}: is a key of {other}, but [identity] key = "{wanted.key}"; enrol again with a new code '
            f'(gengfu edge enrol --again), or write key = "{there}"'
        )
    return TpmKey.read(path, Tpm(wanted.tpm)) if wanted.key == "tpm" else FileKey.read(path)


def to_be_certified(path: Path, wanted: Identity) -> Key:
    """Return the key that no certificate is for yet: the one there where it serves, else a new one.

    IdentityError, OSError. One of a former try is taken, so that a lost answer costs nothing.
    """
    if path.exists() and is_of_tpm(path) == (wanted.key == "tpm"):
        found = read(path, wanted)
        if not isinstance(found, TpmKey) or found.is_usable:
            return found
    return TpmKey.make(path, Tpm(wanted.tpm)) if wanted.key == "tpm" else FileKey.make(path)


def public(path: Path) -> ec.EllipticCurvePublicKey:
    """Return the public half of a key of either kind; no TPM is asked; IdentityError."""
    if not is_of_tpm(path):
        return FileKey.read(path).public
    folder.check_private(path)
    return _public_of_tpm(path, folder.read(path))


def is_of_tpm(path: Path) -> bool:
    """Say whether a file holds a key that a TPM has made; IdentityError."""
    return tss2.is_tss2(folder.read(path))


def _public_of_tpm(path: Path, pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return tss2.public(pem)
    except tss2.Tss2Error as error:
        raise IdentityError(f"{path}: {error}; remove it and enrol again with a new code") from error
