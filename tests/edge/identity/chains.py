"""Chains of certificates for tests: a root, one authority between, and a server."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    """Return a key."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Chain:
    """Whose keys stay, while certificates come and go."""

    root_key: Key = field(default_factory=new_key)
    inter_key: Key = field(default_factory=new_key)
    leaf_key: Key = field(default_factory=new_key)

    def root(self, days: tuple[float, float] = (-9000, 9000)) -> x509.Certificate:
        """Return the root; ``days`` from today it begins and ends."""
        return issued("root", self.root_key, "root", self.root_key, days, is_ca=True)

    def inter(self, days: tuple[float, float]) -> x509.Certificate:
        """Return the authority between."""
        return issued("inter", self.inter_key, "root", self.root_key, days, is_ca=True)

    def leaf(self, days: tuple[float, float] = (-1, 80)) -> x509.Certificate:
        """Return a server's certificate, for localhost."""
        return issued("localhost", self.leaf_key, "inter", self.inter_key, days, is_ca=False)


def issued(
    name: str, key: Key, issuer: str, issuer_key: Key, days: tuple[float, float], *, is_ca: bool
) -> x509.Certificate:
    """Issue a certificate."""
    begins, ends = (datetime.now(UTC) + timedelta(days=each) for each in days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key, SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as a file holds them."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def server_file(path: Path, key: Key, *certificates: x509.Certificate) -> Path:
    """Write what a server shows, and its key."""
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem(*certificates) + secret)
    return path


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
