"""Whom this gateway trusts, also while it does not know what time it is.

OpenSSL verifies chain, host and key, but not the time: a board without a clock battery boots in 1970, and
every certificate would be of the future. The time is judged here, of each certificate of a chain: where the
clock is set, as everywhere; where it is not, by the latest time that is known to be over. What ended before
that is refused, what begins later is not.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

import owned_files
from edge.identity.errors import IdentityError
from edge.identity.folder import PEM_BYTES_MAX
from edge.identity.provider import PROVIDER, SigningError
from edge.identity.proving import Own
from edge.settings import Identity

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME."""
UNREADABLE = (ValueError, x509.InvalidVersion)
"""What reading certificates raises where they are none."""
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


def of_chain(chain: Sequence[x509.Certificate]) -> Validity:
    """Return from when to when all of a chain holds: from the beginning of the first, to the earliest end."""
    return Validity(validity(chain[0]).not_before_ms, validity(first_to_end(chain)).not_after_ms)


def first_to_end(chain: Iterable[x509.Certificate]) -> x509.Certificate:
    """Return what of a chain ends first."""
    return min(chain, key=lambda each: each.not_valid_after_utc)


def reasons(chain: Iterable[x509.Certificate], known: Known) -> list[str]:
    """Return what of a chain does not hold at this time, and why."""
    judged = ((each, untimely(validity(each), known)) for each in chain)
    return [f"the certificate of {shown(each)} {reason}" for each, reason in judged if reason]


def shown(certificate: x509.Certificate) -> str:
    """Return whose a certificate is, as people read it."""
    return certificate.subject.rfc4514_string()[:200]


class TimedContext(ssl.SSLContext):
    """A client's context that judges the time of what it is shown."""

    known: Callable[[], Known]
    own: Own | None = None
    is_given = False
    """Whether it has its own by now: it is given on the thread that connects, for a TPM may take its time."""

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """See its base; OSError says also why there is no key to be had."""
        if self.own is not None and not self.is_given:
            try:
                self.own.given(self)
            except IdentityError as error:
                raise OSError(str(error)) from error
            self.is_given = True
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def judge(self, verified: Sequence[bytes]) -> None:
        """ssl.SSLCertVerificationError where a certificate is untimely; the server's is the first."""
        known = self.known()
        try:
            chain = [x509.load_der_x509_certificate(each) for each in verified]
            reason = untimely(validity(chain[0]), known)
        except (ValueError, IndexError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise ssl.SSLCertVerificationError(f"a certificate that cannot be read: {error}") from error
        if reason:
            raise ssl.SSLCertVerificationError(f"the server's certificate {reason}")
        if above := reasons(chain[1:], known):
            raise ssl.SSLCertVerificationError(f"{above[0]}, and the server is certified by it")


class _TimedSocket(ssl.SSLSocket):
    """Judges after the handshake, before anything is said."""

    def do_handshake(self, block: bool = False) -> None:
        """See its base."""
        made = cast(TimedContext, self.context)
        try:
            with PROVIDER.handshake():
                super().do_handshake(block)
        except SigningError as error:
            made.is_given = False
            raise SigningError(made.own.wrong() if made.own else str(error)) from error
        made.judge(_verified(self))


def _verified(connection: ssl.SSLSocket) -> list[bytes]:
    """Return the chain that OpenSSL has verified, from the server's certificate to the root, as DER."""
    since_3_13 = getattr(connection, "get_verified_chain", None)
    if since_3_13 is not None:
        return list(since_3_13())
    below: Any = connection._sslobj  # type: ignore[attr-defined]  # there before it had a name for all
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in below.get_verified_chain() or ()]


def context(trusted_pem: bytes, known: Callable[[], Known]) -> TimedContext:
    """Return a context that trusts these authorities as far as they hold now; OSError where none does."""
    return _trusting(_timely(trusted_pem, known()), known)


def _trusting(held_pem: bytes, known: Callable[[], Known]) -> TimedContext:
    made = TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.sslsocket_class = _TimedSocket
    made.known = known
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_verify_locations(cadata=held_pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise OSError(
            f"holds no certificate of an authority ({error}); enrol again with a new code"
        ) from error
    made.verify_flags |= NO_CHECK_TIME
    return made


def _timely(trusted_pem: bytes, known: Known) -> bytes:
    """Leave out authorities between that do not hold: OpenSSL would take them before what a server shows.

    OSError where none is left.
    """
    try:
        trusted = x509.load_pem_x509_certificates(trusted_pem)
    except UNREADABLE:
        return trusted_pem  # OpenSSL says what is wrong
    held = [each for each in trusted if each.issuer == each.subject or not untimely(validity(each), known)]
    if not held:
        last = max(trusted, key=lambda each: each.not_valid_after_utc)
        raise OSError(
            f"no authority to trust is left: that of {shown(last)} {untimely(validity(last), known)}, "
            f"and it holds from {last.not_valid_before_utc:%Y-%m-%d %H:%M} "
            f"to {last.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; "
            "give the certificate of the root (tls_ca_file), or enrol again; is the clock right?"
        )
    return b"".join(each.public_bytes(Encoding.PEM) for each in held)


@dataclass(frozen=True)
class LinkTls:
    """How the broker is reached: the files as they are at each connection: a new certificate counts."""

    ca: Path
    cert: Path | None
    key: Path | None
    known: Callable[[], Known]
    wanted: Identity
    _last: "dict[tuple[bytes, ...], TimedContext]" = field(init=False, default_factory=dict, compare=False)

    def context(self) -> TimedContext:
        """Return how to connect; OSError (ssl.SSLError is one) where the files cannot be used.

        The key is asked for when a connection is made. While the files are the same, and the same authorities
        hold, so is what is returned: a TPM has few places for keys, and they are slow to fill.
        """
        named = [path for path in (self.ca, self.cert, self.key) if path is not None]
        trusted, *own = (owned_files.read(path, PEM_BYTES_MAX, follow=True) for path in named)
        try:
            held = _timely(trusted, self.known())
            made = self._last.get((held, *own))
            if made is None or (made.own is not None and not made.is_given):
                made = _trusting(held, self.known)
                if self.cert is not None and self.key is not None:
                    made.own = Own(self.cert, self.key, self.wanted)
                self._last.clear()
                self._last[(held, *own)] = made
        except (OSError, ValueError) as error:
            raise OSError(f"{self.ca}: {error}") from error
        return made
