"""Desired documents: what the centre says holds now, one of each kind a gateway, the newest sequence only.

They travel signed (``contract.signing``). What a body means is for whoever executes it; here it is a text.
"""

import json
import tomllib
from enum import StrEnum

import msgspec

from contract.errors import ContractError
from contract.limits import BODY_BYTES_MAX, VERSION
from contract.names import Name, Sequence, TimeMs

PUBLIC_KEY_PATTERN = r"^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"
"""A centre's public key as settings write it: 32 bytes in base64url."""


class DesiredKind(StrEnum):
    """What a document is about; each is a state, so the newest replaces the one before."""

    LAMP_PLAN = "lamp_plan"
    LAMP_OVERRIDES = "lamp_overrides"
    LAMP_CONDITIONS = "lamp_conditions"
    CONFIGURATION = "configuration"  # a gateway's settings, as TOML


class Outcome(StrEnum):
    """What became of a document at its gateway."""

    STORED = "stored"  # it is on disk and waits for its time
    IN_FORCE = "in_force"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"  # it could not be executed: the former is in force again
    EXPIRED = "expired"  # it was in force until its end; nothing has followed it
    OVERRIDDEN = "overridden"  # somebody has changed the settings at the gateway since: those hold


class Refusal(StrEnum):
    """Why a document is not taken."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    NO_KEY = "no_key"  # the key that signed it is not pinned here
    FORGED = "forged"
    WRONG_GATEWAY = "wrong_gateway"
    WRONG_KIND = "wrong_kind"  # it came on another kind's topic
    REPLAYED = "replayed"  # its sequence was used before
    ROLLED_BACK = "rolled_back"  # its sequence is lower than one that was used
    EXPIRED = "expired"
    INVALID = "invalid"  # whoever executes it found problems
    OVERLOADED = "overloaded"  # more came at once than waits here
    STORAGE_UNAVAILABLE = "storage_unavailable"  # the disk does not take it: it may come again


class Desired(msgspec.Struct, frozen=True):
    """A document; sequences rise strictly for each gateway and kind. ``expires_ms`` None means never."""

    version: int
    district: Name
    gateway: Name
    kind: DesiredKind
    sequence: Sequence
    issued_ms: TimeMs
    effective_ms: TimeMs
    expires_ms: TimeMs | None
    body: str


def encode(document: Desired) -> bytes:
    """Return it as JSON, to be signed; ContractError where it breaks the contract."""
    _check(document)
    return msgspec.json.encode(document)


def decode(data: bytes) -> Desired:
    """Return the document; ContractError for anything that is not one of this version."""
    try:
        document = msgspec.json.decode(data, type=Desired)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed desired document: {error}") from error
    if document.version != VERSION:
        raise ContractError(f"desired document of version {document.version}; this side speaks {VERSION}")
    _check(document)
    return document


def object_problems(body: str) -> list[str]:
    """Return what is wrong with a body that must be a JSON object; the least that any validator asks for."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        return [f"is no JSON: {error}"]
    return [] if isinstance(told, dict) else ["is no JSON object"]


def configuration_problems(body: str) -> list[str]:
    """Return what is wrong with a body that must be TOML; only its gateway knows whether it can run so."""
    try:
        tomllib.loads(body)
    except (ValueError, RecursionError) as error:
        return [f"is no TOML: {error}"]
    return []


def _check(document: Desired) -> None:
    try:
        octets = len(document.body.encode())
    except UnicodeEncodeError as error:
        raise ContractError(f"the body of a desired document is no text: {error.reason}") from error
    if octets > BODY_BYTES_MAX:
        raise ContractError(f"the body of a desired document takes {octets} bytes, {BODY_BYTES_MAX} at most")
    if document.expires_ms is not None and document.expires_ms <= document.effective_ms:
        raise ContractError("a desired document that expires before it is effective")
