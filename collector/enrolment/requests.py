"""What a gateway asks to have signed, and whether it may be. Pure."""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from collector.enrolment import names

REQUEST_BYTES_MAX = 16 * 1024


class RequestError(ValueError):
    """A request cannot be signed; the text says why."""


def decoded(body: bytes) -> x509.CertificateSigningRequest:
    """Return the PKCS #10 request of base64 with any white space (RFC 8951), or of PEM; RequestError."""
    text = b"".join(line for line in body.splitlines() if not line.strip().startswith(b"-----"))
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
        request = x509.load_der_x509_csr(der)
        sound = request.is_signature_valid
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise RequestError(f"the body is no PKCS #10 request in base64: {error}"[:200]) from error
    if not sound:
        raise RequestError("the request is not signed by the key that it names")
    return request


def check(request: x509.CertificateSigningRequest, district: str, gateway: str) -> ec.EllipticCurvePublicKey:
    """Return the key to be certified; RequestError where key or names are not the gateway's own."""
    try:
        key = request.public_key()
        extensions = request.extensions
        subject = list(request.subject)
        name = names.common_name(request.subject) if subject else gateway
        alternatives = names.alternatives(extensions)
    except (names.NotAGatewayError, ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise RequestError(str(error)[:200]) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestError("the key is not ECDSA on P-256 (prime256v1)")
    if name != gateway:
        raise RequestError(f"the request is for {name[:80]!r}, and {gateway} asks")
    if alternatives not in (None, [names.uri(district, gateway)]):
        raise RequestError(f"the only alternative name may be URI:{names.uri(district, gateway)}, or none")
    return key
