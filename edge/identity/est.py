"""EST (RFC 7030) as a client: what the centre certifies, over HTTP of its own port."""

import base64
import binascii
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from edge.identity.errors import EnrolError
from edge.identity.provider import SigningError

PREFIX, FACTS = "/.well-known/est", "/.well-known/gengfu"
TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 256 * 1024
WORDS_CHARACTERS_MAX = 300
DEFAULT_PORT = 8781


@dataclass(frozen=True)
class Centre:
    """Where the centre's port of enrolment is."""

    host: str
    port: int

    @classmethod
    def at(cls, url: str) -> "Centre":
        """Return where a URL leads; EnrolError says what to write."""
        try:
            parts = urlsplit(url if "//" in url else f"https://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if not host or parts.scheme != "https" or parts.path not in ("", "/"):
            raise EnrolError(f"{url}: is no address of a centre; write https://host:{DEFAULT_PORT}")
        return cls(host, port or DEFAULT_PORT)

    @property
    def url(self) -> str:
        """As people write it."""
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def certificates(self, tls: ssl.SSLContext) -> list[x509.Certificate]:
        """Return the authorities that the centre names (cacerts); EnrolError."""
        return self._certificates(self._asked("GET", f"{PREFIX}/cacerts", tls))

    def facts(self, tls: ssl.SSLContext) -> dict[str, object]:
        """Return what the centre says of itself; empty where it says nothing; EnrolError."""
        try:
            told = json.loads(self._asked("GET", FACTS, tls))
        except (EnrolError, ValueError):
            return {}  # a centre of another maker has none
        return told if isinstance(told, dict) else {}

    def enrolled(self, tls: ssl.SSLContext, request: bytes, gateway: str, code: str) -> x509.Certificate:
        """Return what was issued for a code (simpleenroll); EnrolError."""
        given = base64.b64encode(f"{gateway}:{code}".encode()).decode("ascii")
        return self._issued("simpleenroll", tls, request, {"Authorization": f"Basic {given}"})

    def renewed(self, tls: ssl.SSLContext, request: bytes) -> x509.Certificate:
        """Return what was issued for the certificate that ``tls`` brings (simplereenroll); EnrolError."""
        return self._issued("simplereenroll", tls, request, {})

    def _issued(
        self, what: str, tls: ssl.SSLContext, request: bytes, headers: Mapping[str, str]
    ) -> x509.Certificate:
        headers = {
            "Content-Type": "application/pkcs10",
            "Content-Transfer-Encoding": "base64",
            **headers,
        }
        [first, *_] = self._certificates(self._asked("POST", f"{PREFIX}/{what}", tls, request, headers))
        return first

    def _certificates(self, body: bytes) -> list[x509.Certificate]:
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
            found = pkcs7.load_der_pkcs7_certificates(der)
        except (ValueError, binascii.Error, x509.InvalidVersion) as error:
            raise EnrolError(
                f"{self.url}: answers no certificates: {error}"[:WORDS_CHARACTERS_MAX]
            ) from error
        if not found:
            raise EnrolError(f"{self.url}: answers no certificates")
        return found

    def _asked(
        self,
        method: str,
        path: str,
        tls: ssl.SSLContext,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=tls)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            told = answer.read(ANSWER_BYTES_MAX)
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message or str(error)
            raise EnrolError(
                f"{self.url}: is not believed: {reason}; is that the centre, and the right fingerprint?"
            ) from error
        except SigningError as error:
            raise EnrolError(str(error)) from error
        except (OSError, http.client.HTTPException, socket.gaierror) as error:
            reason = str(getattr(error, "strerror", "") or error).lower() or type(error).__name__
            raise EnrolError(
                f"{self.url}: no answer ({reason}); is the address right, and the centre up?"
            ) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            words = told.decode("utf-8", "replace").strip()[:WORDS_CHARACTERS_MAX] or answer.reason
            raise EnrolError(f"{self.url}: refuses ({answer.status}): {words}", answer.status)
        return told


def unverified() -> ssl.SSLContext:
    """Return a context that believes anybody: for asking who they say they are, and nothing else."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made
