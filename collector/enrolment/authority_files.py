"""The authority's files: made once, for their owner only, and looked at before they are believed."""

import os
import stat
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from collector.enrolment.authority import Authority, KeySigner, Revoked
from collector.tls_files import TlsFileError

PEM_BYTES_MAX = 256 * 1024
LIST_BYTES_MAX = 16 * 1024**2
CHAIN_MAX = 5
PRIVATE, PUBLIC = 0o600, 0o644


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, on the disk when this returns; FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask is
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    synced(path.parent)


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_new(fresh, content, mode)
    fresh.replace(path)
    synced(path.parent)


def synced(folder: Path) -> None:
    """Return once the names in a folder are on its disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as it is kept."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(cert: Path, key: Path) -> Authority:
    """Return the authority of a chain (issuing certificate first, root last) and the issuing one's key.

    TlsFileError, whose ``which`` is the key in ``[enrolment]``.
    """
    chain = _chain(cert)
    secret = _secret(key)
    mine = secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    theirs = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if mine != theirs:
        what = f"{key.name} is not the key of the first certificate in {cert.name}"
        raise TlsFileError("ca_key_file", what, "name the issuing certificate's own key")
    return Authority(chain, KeySigner(secret))


def _chain(cert: Path) -> tuple[x509.Certificate, ...]:
    which = "ca_cert_file"
    try:
        chain = x509.load_pem_x509_certificates(_content(cert, which))
    except ValueError as error:
        raise TlsFileError(which, f"{cert.name}: holds no certificates", "name a file of PEM") from error
    if len(chain) > CHAIN_MAX:
        raise TlsFileError(which, f"{cert.name}: {len(chain)} certificates", f"give {CHAIN_MAX} at most")
    for each, above in zip(chain, [*chain[1:], chain[-1]], strict=True):
        try:
            is_ca = each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            each.verify_directly_issued_by(above)
        except x509.ExtensionNotFound:
            is_ca = False
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            what = f"{cert.name}: {each.subject.rfc4514_string()} is not issued by what follows it"
            remedy = (
                "write the issuing certificate first, then each that signed the one before, the root last"
            )
            raise TlsFileError(which, what, remedy) from error
        if not is_ca:
            what = f"{cert.name}: {each.subject.rfc4514_string()} may not issue certificates"
            raise TlsFileError(which, what, "name certificates of authorities only")
    return tuple(chain)


def _secret(key: Path) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    which = "ca_key_file"
    content = _content(key, which)
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        what = f"{key.name} has mode {mode:04o}, so others may read the key"
        raise TlsFileError(which, what, f"run  chmod 600 {key}  if nobody has; else make a new authority")
    try:
        secret = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        what = f"{key.name}: holds no key without a password"
        raise TlsFileError(which, what, "give a key of PEM without a password") from error
    if not isinstance(secret, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TlsFileError(which, f"{key.name}: is no key of ECDSA or RSA", "give one of these")
    return secret


def _content(path: Path, which: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(PEM_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "name a file of PEM that the centre may read"
        raise TlsFileError(which, f"{path.name}: {reason}", remedy) from error
    if len(content) > PEM_BYTES_MAX:
        raise TlsFileError(which, f"{path.name}: more than {PEM_BYTES_MAX} bytes", "name a file of PEM")
    return content


def listed(path: Path) -> list[Revoked]:
    """Return what a list of revoked certificates holds; none where there is no such file, or it is none."""
    try:
        with path.open("rb") as file:
            told = x509.load_pem_x509_crl(file.read(LIST_BYTES_MAX))
    except (OSError, ValueError):
        return []
    return [Revoked(each.serial_number, round(each.revocation_date_utc.timestamp() * 1000)) for each in told]
