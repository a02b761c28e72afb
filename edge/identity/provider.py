"""The TPM's OpenSSL provider in this process, so that Python's TLS can prove itself by a key of the TPM.

The provider (``tpm2``, of the package tpm2-openssl) is loaded into the libcrypto that the ``ssl`` module
stands on, behind OpenSSL's own, which goes on doing everything but these keys. No OPENSSL_CONF:
``cryptography`` brings an OpenSSL of its own, which would read it too.

Two defects of providers decide the rest of this module:

* Until 1.2.0 a key lets itself be exported without its private half, so OpenSSL takes its own ECDSA for it
  and fails ("missing private key"). While this side signs, and only then, signatures are asked of the TPM's
  provider by preference: verifying there too would fill the few places of a TPM. May retire with Debian 12,
  which has 1.1.1.
* Until 1.3.0 two threads may not use it at once. One lock holds for loading keys, for handshakes and for
  letting keys go; a handshake takes it when the server has answered.
"""

import _ssl
import ctypes
import logging
import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.identity.errors import IdentityError
from edge.identity.tpm import HOW_TO, LOG_VARIABLE, SIGNING, TCTI_VARIABLE, Tpm, explained, named

_log = logging.getLogger(__name__)

HANDSHAKE, SERVER_HELLO, CERTIFICATE, CERTIFICATE_VERIFY = 22, 2, 11, 15
"""Messages of TLS (RFC 8446, 4): between the two last, where it writes them, this side signs."""
HELD_MAX = 8
_ERROR_BYTES = 256


class SigningError(OSError):
    """A handshake ended where this side was to sign by the TPM."""


class Provider:
    """The provider in this process: loaded once, and then there until the process ends."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._lock = threading.Lock()
        self._tpm: Tpm | None = None
        self._held: list[ssl.SSLContext] = []
        self._shaking: int | None = None
        """The thread whose handshake has the lock."""
        self._signs = False

    def bring(self, context: ssl.SSLContext, certificate: Path, key: Path, tpm: Tpm) -> None:
        """Give a context a certificate whose key the TPM has; IdentityError.

        The TPM is tried by a process of its own before: one that hangs would hang this thread for good.
        """
        with self._lock:
            self._let_go()
            if wrong := tpm.wrong(key):
                raise IdentityError(wrong)
            self._loaded(tpm)
            if len(self._held) >= HELD_MAX:
                raise IdentityError(
                    f"{HELD_MAX} connections use the key {key} already; start the gateway again"
                )
            try:
                context.load_cert_chain(certificate, key, password=lambda: "")
            except (ssl.SSLError, OSError) as error:
                raise IdentityError(
                    f"the TPM {named(tpm.tcti)} signs, but not for this process ({error}); is {certificate} "
                    f"of the key {key}? else start the gateway again"
                ) from error
            context.options |= ssl.OP_NO_RENEGOTIATION  # a second handshake would be nobody's to end
            context._msg_callback = self._heard  # type: ignore[attr-defined]
            self._held.append(context)

    @contextmanager
    def handshake(self) -> Iterator[None]:
        """Have what a handshake took given back, however it ends; SigningError where the TPM did not sign."""
        try:
            yield
        except ssl.SSLError as error:
            if self._shaking == threading.get_ident() and self._signs:
                raise SigningError(str(error)) from error
            raise
        finally:
            if self._shaking == threading.get_ident():
                self._sign(by_tpm=False)
                self._shaking = None
                self._lock.release()

    def _heard(
        self, _socket: object, direction: str, _version: object, content: int, message: int, _data: bytes
    ) -> None:
        """Follow a handshake: ask signatures of the TPM from this side's certificate to its proof of it."""
        if content != HANDSHAKE:
            return
        if direction == "read":
            if message == SERVER_HELLO and self._shaking != threading.get_ident():
                self._lock.acquire()
                self._shaking = threading.get_ident()
        elif message == CERTIFICATE:
            self._sign(by_tpm=True)
        elif message == CERTIFICATE_VERIFY:
            self._sign(by_tpm=False)

    def _sign(self, *, by_tpm: bool) -> None:
        self._signs = by_tpm
        prefer = _function("EVP_set_default_properties", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
        prefer(None, SIGNING.encode() if by_tpm else b"")

    def _loaded(self, tpm: Tpm) -> None:
        """Load the provider for this TPM; IdentityError."""
        if self._tpm == tpm:
            return
        if self._tpm is not None:
            raise IdentityError(
                f"the TPM was {self._tpm.tcti} since this process began; for {tpm.tcti} start it again"
            )
        os.environ[TCTI_VARIABLE] = tpm.tcti
        os.environ.setdefault(LOG_VARIABLE, "all+NONE")
        load = _function("OSSL_PROVIDER_load", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
        for name in (b"default", b"tpm2"):  # what is first does what both can
            if not load(None, name):
                raise IdentityError(explained(tpm.tcti, "is not for this process", _errors()))
        self._tpm = tpm
        _log.info("keys of the TPM %s can be used for TLS", tpm.tcti)

    def _let_go(self) -> None:
        """Let contexts go that nobody else holds: here, because freeing a key talks to the TPM."""
        while self._held and (unused := self._unused()) is not None:
            del self._held[unused]

    def _unused(self) -> int | None:
        for at in range(len(self._held)):
            if sys.getrefcount(self._held[at]) <= 2:  # the list, and the argument itself
                return at
        return None


PROVIDER = Provider()
"""Of this process: OpenSSL knows but one."""


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of the libcrypto that the ``ssl`` module stands on, no other; IdentityError."""
    try:
        found = getattr(ctypes.CDLL(getattr(_ssl, "__file__", None)), name)
    except (AttributeError, OSError) as error:
        raise IdentityError(
            f"{sys.executable}: its TLS ({ssl.OPENSSL_VERSION}) takes no providers, so no key of a TPM; use "
            f"the Python of the system, whose OpenSSL is 3.0 or newer ({HOW_TO})"
        ) from error
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]


def _errors() -> str:
    """Return what OpenSSL has to say, a line each."""
    get = _function("ERR_get_error", ctypes.c_ulong)
    text = _function("ERR_error_string_n", None, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_size_t)
    lines: list[str] = []
    while (code := get()) and len(lines) < 20:
        buffer = ctypes.create_string_buffer(_ERROR_BYTES)
        text(code, buffer, _ERROR_BYTES)
        lines.append(buffer.value.decode("utf-8", "replace"))
    return "\n".join(lines)
