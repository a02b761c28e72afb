"""What is signed: JWS compact (RFC 7515) with EdDSA over Ed25519 (RFC 8037). Pure; both ends use it.

There is exactly one header for each key, byte for byte: whatever else stands there, be it another algorithm,
a key, a ``crit`` or a space, is no document of a centre, and is not even parsed. A key is named by its
thumbprint (RFC 7638), and written in settings as ``ed25519:`` and its 32 bytes in base64url. The type in the
header keeps what one signs apart: a desired document never passes as a command, nor a command as a document.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey

from contract.desired import PUBLIC_KEY_PATTERN, Refusal
from contract.errors import ContractError
from contract.limits import MESSAGE_BYTES_MAX

ALGORITHM = "EdDSA"
TYPE = "gengfu-desired+jws"
"""Of a desired document."""
COMMAND_TYPE = "gengfu-command+jws"
LINE_PREFIX = "ed25519:"
PEM_BYTES_MAX = 4096
SIGNATURE_CHARACTERS = 86
HEADER_CHARACTERS_MAX = 1024

_HEADER = re.compile(rb'\{"alg":"EdDSA","kid":"([A-Za-z0-9_-]{43})","typ":"([a-z+-]{1,64})"\}\Z')


class _EdDSA(EdDSAAlgorithm):
    """With Ed25519 keys only, the name that RFC 9864 wants replaced is not ambiguous."""

    security_warning = ""


class _Registry(jws.JWSRegistry):
    """One algorithm, and payloads as large as our messages."""

    algorithms = {ALGORITHM: _EdDSA()}  # noqa: RUF012 - as its base has it
    max_payload_length = MESSAGE_BYTES_MAX


_REGISTRY = _Registry(algorithms=[ALGORITHM])


class SignatureError(ContractError):
    """A message that nobody vouches for; ``refusal`` is the reason in one word."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.refusal = refusal


class PublicKey:
    """The public half of a centre's key; ``kid`` is its thumbprint."""

    def __init__(self, line: str) -> None:
        """Take it as settings write it; ContractError if it is none."""
        if not re.fullmatch(PUBLIC_KEY_PATTERN, line):
            raise ContractError(
                f"{line[:80]!r} is no public key; write ed25519: and 43 characters, "
                "as `gengfu collector init` tells them"
            )
        self.key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": line.removeprefix(LINE_PREFIX)})
        self.kid = self.key.thumbprint()
        self.line = line


class SigningKey:
    """A centre's whole key."""

    def __init__(self, key: OKPKey) -> None:
        """Use ``make`` or ``from_pem``."""
        self._key = key
        self.public = PublicKey(f"{LINE_PREFIX}{key.as_dict(private=False)['x']}")

    @classmethod
    def make(cls) -> "SigningKey":
        """Return a new one, of the system's randomness."""
        return cls(OKPKey.generate_key("Ed25519"))

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Read it from PEM (PKCS #8); ContractError if that is no private Ed25519 key."""
        try:
            key = OKPKey.import_key(pem)
        except (JoseError, ValueError, TypeError) as error:
            raise ContractError(f"is no private key: {error}") from error
        if not key.is_private or key.curve_name != "Ed25519":
            raise ContractError("is no private Ed25519 key")
        return cls(key)

    @property
    def pem(self) -> bytes:
        """The key as PEM, unencrypted."""
        return self._key.as_pem(private=True)

    def has_signed(self, message: bytes) -> bool:
        """Say whether a message that we made ourselves was made with this key."""
        headers = (_header_of(self.public.kid, each) for each in (TYPE, COMMAND_TYPE))
        return message.split(b".", 1)[0] in headers

    def sign(self, payload: bytes, type_: str = TYPE) -> bytes:
        """Return the JWS; ContractError if it is too large for a message."""
        header = {"alg": ALGORITHM, "kid": self.public.kid, "typ": type_}
        signed = jws.serialize_compact(header, payload, self._key, registry=_REGISTRY).encode()
        if len(signed) > MESSAGE_BYTES_MAX:
            raise ContractError(f"signed, it takes {len(signed)} bytes, {MESSAGE_BYTES_MAX} at most")
        return signed


class KeyRing:
    """The keys that are believed, for what is of one type; one at least is needed to believe anything."""

    def __init__(
        self, lines: Iterable[str], type_: str = TYPE, *, bytes_max: int = MESSAGE_BYTES_MAX
    ) -> None:
        """Take the keys as settings write them; ContractError if one is none."""
        self._keys = {_header_of(key.kid, type_): key for key in map(PublicKey, lines)}
        self._type, self._bytes_max = type_, bytes_max

    def opened(self, message: bytes) -> bytes:
        """Return the payload of a message that one of the keys has signed; SignatureError for any other."""
        if len(message) > self._bytes_max:
            text = f"it takes {len(message)} bytes, {self._bytes_max} at most"
            raise SignatureError(Refusal.TOO_LARGE, text)
        if not self._keys:
            text = "no key of a centre is pinned here; write public_keys in [centre] of the settings"
            raise SignatureError(Refusal.NO_KEY, text)
        header, payload, signature = _segments(message)
        key = self._keys.get(header)
        if key is None:
            raise self._stranger(_decoded(header))
        if len(signature) != SIGNATURE_CHARACTERS:
            raise SignatureError(Refusal.FORGED, "its signature is too short or too long")
        try:
            jws.deserialize_compact(message, key.key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise SignatureError(Refusal.FORGED, f"key {key.kid} has not signed this") from error
        return _decoded(payload)

    def _stranger(self, header: bytes) -> SignatureError:
        named = _HEADER.match(header)
        if named is None or named[2].decode() != self._type:
            return SignatureError(Refusal.FORGED, f"its header is not that of a centre's {self._type}")
        pinned = ", ".join(key.kid for key in self._keys.values())
        text = f"key {named[1].decode()} is not pinned here, but {pinned}"
        return SignatureError(Refusal.NO_KEY, text)


def payload_of(message: bytes) -> bytes:
    """Return the payload of a message that was believed before; SignatureError if it has none."""
    return _decoded(_segments(message)[1])


def signer_of(message: bytes) -> str:
    """Return the kid of the key that signed what was believed before; SignatureError if it names none."""
    named = _HEADER.match(_decoded(_segments(message)[0]))
    if named is None:
        raise SignatureError(Refusal.MALFORMED, "its header names no key")
    return named[1].decode()


def _segments(message: bytes) -> list[bytes]:
    segments = message.split(b".", 3)
    if len(segments) != 3 or len(segments[0]) > HEADER_CHARACTERS_MAX:
        raise SignatureError(Refusal.MALFORMED, "it is no JWS of three parts")
    try:
        for segment in segments:
            _decoded(segment)
    except ValueError as error:
        raise SignatureError(Refusal.MALFORMED, f"it is no JWS: {error}") from error
    return segments


def _header_of(kid: str, type_: str) -> bytes:
    return _encoded(json.dumps({"alg": ALGORITHM, "kid": kid, "typ": type_}, separators=(",", ":")).encode())


def _encoded(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _decoded(segment: bytes) -> bytes:
    """Return the octets; ValueError where the same octets are written otherwise, too."""
    try:
        octets = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("it is no base64url") from error
    if not segment or _encoded(octets) != segment:
        raise ValueError("its base64url is not as one writes it")
    return octets
