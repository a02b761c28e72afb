"""How centre and relay know each other: a shared key signs each request and each answer. Pure."""

import hmac
from collections import OrderedDict
from collections.abc import Mapping

TIMESTAMP_HEADER = "X-Gengfu-Timestamp"
NONCE_HEADER = "X-Gengfu-Nonce"
SIGNATURE_HEADER = "X-Gengfu-Signature"
APART_S_MAX = 300
"""So far the two clocks may be apart; a request that is older is refused."""
NONCES_MAX = 100_000
NONCE_CHARACTERS = 32


class SignatureError(ValueError):
    """A request or an answer is not to be trusted; the text says why."""


def signature(key: bytes, what: str, timestamp_s: str, nonce: str, body: bytes) -> str:
    """Return the signature of a body; ``what`` is request or answer: one never passes as the other."""
    return hmac.digest(key, f"{what}\n{timestamp_s}\n{nonce}\n".encode() + body, "sha256").hex()


def headers(key: bytes, what: str, now_s: int, nonce: str, body: bytes) -> dict[str, str]:
    """Return what a signed body carries."""
    return {
        TIMESTAMP_HEADER: str(now_s),
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: signature(key, what, str(now_s), nonce, body),
    }


def check(key: bytes, what: str, told: Mapping[str, str], body: bytes, now_s: int) -> str:
    """Return the nonce of what is signed soundly and in time; SignatureError. ``told``: lower-case names."""
    timestamp_s = told.get(TIMESTAMP_HEADER.lower(), "")
    nonce = told.get(NONCE_HEADER.lower(), "")
    given = told.get(SIGNATURE_HEADER.lower(), "")
    if not (timestamp_s.isascii() and timestamp_s.isdigit() and len(timestamp_s) <= 12):
        raise SignatureError("no timestamp")
    if len(nonce) != NONCE_CHARACTERS or not nonce.isascii():
        raise SignatureError("no nonce")
    sound = signature(key, what, timestamp_s, nonce, body)
    if not given.isascii() or not hmac.compare_digest(sound, given):
        raise SignatureError("the signature is of another key or of another body")
    if abs(now_s - int(timestamp_s)) > APART_S_MAX:
        raise SignatureError(f"its time is more than {APART_S_MAX} s from here; look at both clocks")
    return nonce


class Nonces:
    """Those that were seen while their timestamps could pass; where they are too many, nothing is taken."""

    def __init__(self, count_max: int = NONCES_MAX) -> None:
        """Remember at most so many."""
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._count_max = count_max

    def take(self, nonce: str, now_s: int) -> None:
        """Take a nonce; SignatureError where it was seen, or where too many are."""
        while self._seen and next(iter(self._seen.values())) < now_s - 2 * APART_S_MAX:
            self._seen.popitem(last=False)
        if nonce in self._seen:
            raise SignatureError("it was sent before")
        if len(self._seen) >= self._count_max:
            raise SignatureError("too many requests")
        self._seen[nonce] = now_s
