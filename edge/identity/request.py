"""The request for a certificate: PKCS #10, signed by whatever holds the key. Pure but for the key."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from edge.identity.keys import Key


class _Signing(ec.EllipticCurvePrivateKey):
    """What the builder takes for a private key: it signs, and has nothing to tell."""

    def __init__(self, key: Key) -> None:
        self._key = key

    @property
    def curve(self) -> ec.EllipticCurve:
        """See its base."""
        return self._key.public.curve

    @property
    def key_size(self) -> int:
        """See its base."""
        return self._key.public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See its base."""
        return self._key.public

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """See its base."""
        if not isinstance(signature_algorithm.algorithm, SHA256):
            raise TypeError("signs with SHA-256 only")
        return self._key.sign(bytes(data))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """See its base."""
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """See its base."""
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - its base calls it so
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        """See its base."""
        raise NotImplementedError

    def __copy__(self) -> "_Signing":
        """See its base."""
        return self

    def __deepcopy__(self, memo: object) -> "_Signing":
        """See its base."""
        return self


def uri(district: str, gateway: str) -> str:
    """Return how a certificate says which district a gateway is of."""
    return f"gengfu://{district}/{gateway}"


def request(key: Key, district: str, gateway: str) -> bytes:
    """Return the request in base64, as EST wants it."""
    alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri(district, gateway))])
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway)]))
        .add_extension(alternative, critical=False)
    )
    return base64.encodebytes(builder.sign(_Signing(key), SHA256()).public_bytes(Encoding.DER))
