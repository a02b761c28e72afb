"""Whom this gateway trusts, also while it does not know what time it is.

OpenSSL verifies chain, host and key, but not the time: a board without a clock battery boots in 1970, and
every certificate would be of the future. The time is judged here: where the clock is set, as everywhere;
where it is not, by the latest time that is known to be over. What ended before that is refused, what begins
later is not.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

import owned_files
from edge.identity.folder import PEM_BYTES_MAX

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME."""
TOLERATED_MS = 5 * 60_000
"""Clocks of two machines that are both synchronised agree far better."""


class Known(NamedTuple):
    """A time, and whether it is right or only the least that it can be."""

    time_ms: int
    is_set: bool


class Validity(NamedTuple):
    """From when to when a certificate holds."""

    not_before_ms: int
    not_after_ms: int


def untimely(validity: Validity, known: Known) -> str:
    """Return why a certificate does not hold at this time, or nothing. Pure."""
    if validity.not_after_ms < known.time_ms - (TOLERATED_MS if known.is_set else 0):
        return "is over"
    if known.is_set and validity.not_before_ms > known.time_ms + TOLERATED_MS:
        return "is not valid yet"
    return ""


def validity(certificate: x509.Certificate) -> Validity:
    """Return from when to when it holds."""
    return Validity(
        round(certificate.not_valid_before_utc.timestamp() * 1000),
        round(certificate.not_valid_after_utc.timestamp() * 1000),
    )


class TimedContext(ssl.SSLContext):
    """A client's context that judges the time of what it is shown."""

    known: Callable[[], Known]

    def judge(self, shown: bytes | None) -> None:
        """ssl.SSLCertVerificationError where the certificate is untimely."""
        try:
            reason = untimely(validity(x509.load_der_x509_certificate(shown or b"")), self.known())
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise ssl.SSLCertVerificationError(f"a certificate that cannot be read: {error}") from error
        if reason:
            raise ssl.SSLCertVerificationError(f"the server's certificate {reason}")


class _TimedSocket(ssl.SSLSocket):
    """Judges after the handshake, before anything is said."""

    def do_handshake(self, block: bool = False) -> None:
        """See its base."""
        super().do_handshake(block)
        cast(TimedContext, self.context).judge(self.getpeercert(binary_form=True))


def context(trusted_pem: bytes, known: Callable[[], Known]) -> TimedContext:
    """Return a context that trusts these authorities; ssl.SSLError where they are none."""
    made = TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.sslsocket_class = _TimedSocket
    made.known = known
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=trusted_pem.decode("ascii", "replace"))
    made.verify_flags |= NO_CHECK_TIME
    return made


@dataclass(frozen=True)
class LinkTls:
    """How the broker is reached: the files as they are at each connection: a new certificate counts."""

    ca: Path
    cert: Path | None
    key: Path | None
    known: Callable[[], Known]

    def context(self) -> ssl.SSLContext:
        """Return how to connect; OSError (ssl.SSLError is one) where the files cannot be used."""
        made = context(owned_files.read(self.ca, PEM_BYTES_MAX, follow=True), self.known)
        if self.cert is not None:
            made.load_cert_chain(self.cert, self.key, password=lambda: "")
        return made
