"""The gateway's key: made here, ECDSA on P-256, and never told to anybody."""

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

from edge.identity import folder
from edge.identity.errors import IdentityError


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
