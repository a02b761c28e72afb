"""Secrets that the centre hands out: random, told once, kept as their digest only."""

import base64
import hashlib
from collections.abc import Callable

SECRET_BYTES = 32
TOKEN_PREFIX = "gengfu_"  # noqa: S105 - so that scanners for lost secrets know it
SECRET_CHARACTERS_MAX = 100
"""What is longer is none of ours, and is not even looked up."""

RandomBytes = Callable[[int], bytes]
"""Gives bytes that nobody can guess."""


def session_secret(random_bytes: RandomBytes) -> str:
    """Return what a session's cookie holds: 43 characters."""
    return base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()


def token_secret(random_bytes: RandomBytes) -> str:
    """Return a token: 50 characters."""
    return TOKEN_PREFIX + session_secret(random_bytes)


def digest(secret: str) -> str:
    """Return what is kept of it; a plain hash will do, as nobody can try 256 bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
