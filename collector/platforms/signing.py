"""Signed requests as cities ask for them: an HMAC over method, path, timestamp, nonce and body. Pure."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from pydantic import Field, field_validator

from toml_files import Strict

PARTS = ("method", "path", "timestamp", "nonce", "body", "body_digest", "key_id")
NONCE_CHARACTERS_MAX = 128
_HEADER = r"^[A-Za-z0-9-]{1,64}$"
_FORM = {"form": "letters, digits and -"}


class Signature(Strict):
    """How a request is signed: what over, with which hash, written how, in which headers.

    ``text`` is what is signed: ``{method}`` ``{path}`` (with its query) ``{timestamp}`` ``{nonce}``
    ``{body}`` ``{body_digest}`` ``{key_id}``.
    """

    kind: Literal["hmac"]
    algorithm: Literal["sha256", "sm3"] = "sha256"
    text: str = Field(default="{method}\n{path}\n{timestamp}\n{nonce}\n{body}", min_length=1, max_length=500)
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_form: Literal["ms", "s"] = "ms"
    key_id: str = Field(default="", max_length=200)
    signature_header: str = Field(default="X-Signature", pattern=_HEADER, json_schema_extra={**_FORM})
    timestamp_header: str = Field(default="X-Timestamp", pattern=_HEADER, json_schema_extra={**_FORM})
    nonce_header: str = Field(default="X-Nonce", pattern=_HEADER, json_schema_extra={**_FORM})
    key_id_header: str = Field(default="X-Key-Id", pattern=_HEADER, json_schema_extra={**_FORM})

    @field_validator("text")
    @classmethod
    def _signs_what_matters(cls, text: str) -> str:
        named = re.findall(r"\{([^{}]*)\}", text)
        if unknown := [name for name in named if name not in PARTS]:
            raise ValueError(f"knows no {{{unknown[0]}}}; write of {', '.join(f'{{{it}}}' for it in PARTS)}")
        if not {"timestamp", "nonce"} <= set(named) or not {"body", "body_digest"} & set(named):
            raise ValueError(
                "must hold {timestamp}, {nonce} and {body} or {body_digest}, or it can be replayed"
            )
        return text

    def headers(self, secret: bytes, request: "Signed") -> dict[str, str]:
        """Return the headers of a signed request."""
        told = {
            self.timestamp_header: request.timestamp,
            self.nonce_header: request.nonce,
            self.signature_header: self.encoded(self.sign(secret, request)),
        }
        return told | ({self.key_id_header: self.key_id} if self.key_id else {})

    def timestamp(self, now_ms: int) -> str:
        """Return the time as the header says it."""
        return str(now_ms if self.timestamp_form == "ms" else now_ms // 1000)

    def sign(self, secret: bytes, request: "Signed") -> bytes:
        """Return the signature as bytes."""
        body_digest = _digest(self.algorithm, request.body)
        values = {
            "method": request.method.upper().encode(),
            "path": request.path.encode(),
            "timestamp": request.timestamp.encode(),
            "nonce": request.nonce.encode(),
            "body": request.body,
            "body_digest": body_digest.encode(),
            "key_id": self.key_id.encode(),
        }
        signed = re.sub(rb"\{([a-z_]+)\}", lambda it: values[it[1].decode()], self.text.encode())
        if self.algorithm == "sha256":
            return hmac.digest(secret, signed, "sha256")
        keyed = HMAC(secret, hashes.SM3())
        keyed.update(signed)
        return keyed.finalize()

    def encoded(self, signature: bytes) -> str:
        """Write a signature as the header says it."""
        return signature.hex() if self.encoding == "hex" else base64.b64encode(signature).decode()


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature is over; ``path`` with its query."""

    method: str
    path: str
    timestamp: str
    nonce: str
    body: bytes


class SignatureError(Exception):
    """A request is not what it should be; ``word`` is for counting, the text for whoever sent it."""

    def __init__(self, word: str, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.word = word


def verified(
    scheme: Signature, secret: bytes, headers: Mapping[str, str], method: str, path: str, body: bytes, *,
    now_ms: int, window_s: float,
) -> str:  # fmt: skip
    """Return the nonce of a request that is signed as it should be, in time; else SignatureError.

    Whether the nonce was seen before is the caller's to find out. ``headers`` are by lower-case names.
    """
    given = {}
    for name in (scheme.signature_header, scheme.timestamp_header, scheme.nonce_header):
        given[name] = headers.get(name.lower(), "")
        if not given[name]:
            raise SignatureError("unsigned", f"header {name} is missing; every request is signed")
    timestamp, nonce = given[scheme.timestamp_header], given[scheme.nonce_header]
    if len(nonce) > NONCE_CHARACTERS_MAX or not nonce.isascii():
        raise SignatureError(
            "malformed", f"header {scheme.nonce_header}: at most {NONCE_CHARACTERS_MAX}, ASCII"
        )
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 14):
        raise SignatureError("malformed", f"header {scheme.timestamp_header}: a number is needed")
    if scheme.key_id and headers.get(scheme.key_id_header.lower(), "") != scheme.key_id:
        raise SignatureError("unsigned", f"header {scheme.key_id_header}: another key is expected")
    wanted = scheme.encoded(scheme.sign(secret, Signed(method, path, timestamp, nonce, body)))
    told = given[scheme.signature_header]
    told = told.lower() if scheme.encoding == "hex" else told
    if not hmac.compare_digest(wanted.encode(), told.encode(errors="replace")):
        raise SignatureError("forged", "the signature is not of this request and this key")
    at_ms = int(timestamp) * (1 if scheme.timestamp_form == "ms" else 1000)
    if abs(at_ms - now_ms) > window_s * 1000:
        raise SignatureError("late", f"signed {(now_ms - at_ms) / 1000:.0f} s ago; at most {window_s:g} s")
    return nonce


def _digest(algorithm: str, body: bytes) -> str:
    if algorithm == "sha256":
        return hashlib.sha256(body).hexdigest()
    digest = hashes.Hash(hashes.SM3())
    digest.update(body)
    return digest.finalize().hex()
