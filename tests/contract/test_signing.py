"""Signed documents: what one key of a ring has signed is opened, nothing else is, whatever it looks like."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from contract import desired
from contract.desired import Desired, DesiredKind, Refusal
from contract.errors import ContractError
from contract.limits import BODY_BYTES_MAX, MESSAGE_BYTES_MAX
from contract.signing import TYPE, KeyRing, PublicKey, SignatureError, SigningKey

KEY, OTHER = SigningKey.make(), SigningKey.make()
RING = KeyRing([KEY.public.line])
PAYLOAD = b'{"some":"document"}'
SIGNED = KEY.sign(PAYLOAD)


def encoded(octets: bytes) -> bytes:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def refused(message: bytes, ring: KeyRing = RING) -> Refusal:
    """Return why a message is not opened."""
    with pytest.raises(SignatureError) as caught:
        ring.opened(message)
    return caught.value.refusal


def with_header(**changes: Any) -> bytes:
    """Return the good message with another header, signed over it by the right key all the same."""
    header = {"alg": "EdDSA", "kid": KEY.public.kid, "typ": TYPE} | changes
    header = {name: value for name, value in header.items() if value is not None}
    told = encoded(json.dumps(header, separators=(",", ":")).encode()) + b"." + encoded(PAYLOAD)
    private = OKPKey.import_key(KEY.pem)
    return told + b"." + encoded(private.private_key.sign(told))  # type: ignore[union-attr]


def test_what_a_pinned_key_signed_is_opened_also_while_keys_are_rotated() -> None:
    """The private half may have been on disk; the public halves are lines of the settings."""
    again = SigningKey.from_pem(KEY.pem)
    assert again.public.line == KEY.public.line
    ring = KeyRing([KEY.public.line, OTHER.public.line])
    for key in (again, OTHER):
        assert ring.opened(key.sign(PAYLOAD)) == PAYLOAD
    assert RING.opened(with_header()) == PAYLOAD


def test_without_keys_or_with_an_unknown_one_the_reason_says_so() -> None:
    """A technician is to see which key is missing."""
    assert refused(SIGNED, KeyRing([])) is Refusal.NO_KEY
    with pytest.raises(SignatureError, match=OTHER.public.kid):
        RING.opened(OTHER.sign(PAYLOAD))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519"},
        {"alg": "eddsa"},
        {"alg": ["EdDSA"]},
        {"kid": None},
        {"kid": "x" * 43, "jwk": {"kty": "OKP"}},
        {"typ": "JWT"},
        {"typ": None},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"jwk": OKPKey.import_key(OTHER.pem).as_dict(private=False)},
        {"jku": "http://127.0.0.1/keys"},
        {"x5c": ["AAAA"]},
        {"nested": [[[[[]]]]]},
    ],
)
def test_any_other_header_is_no_document_though_the_key_signed_it(changes: dict[str, Any]) -> None:
    """No other algorithm, no key that comes along, nothing critical, nothing more, nothing less."""
    assert refused(with_header(**changes)) is Refusal.FORGED


def test_a_public_key_is_no_secret_of_a_message_code() -> None:
    """The classic confusion: HS256 with the public key as its secret; and a header with spaces."""
    secret = OctKey.import_key(KEY.public.line.removeprefix("ed25519:"))
    forged = jws.serialize_compact({"alg": "HS256", "kid": KEY.public.kid, "typ": TYPE}, PAYLOAD, secret)
    assert refused(forged.encode()) is Refusal.FORGED
    _, payload, signature = SIGNED.split(b".")
    spaced = json.dumps({"alg": "EdDSA", "kid": KEY.public.kid, "typ": TYPE}).encode()
    assert refused(b".".join((encoded(spaced), payload, signature))) is Refusal.FORGED


def test_the_same_octets_in_other_letters_are_no_second_document() -> None:
    """Base64url leaves bits of a last letter unused, and some readers skip what is no letter."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(SIGNED[-1])
    for spelling in range(1, 16):
        assert refused(SIGNED[:-1] + bytes([letters[last ^ spelling]])) is Refusal.MALFORMED
    for place in range(0, len(SIGNED), 7):
        for stray in (b"\n", b" ", b"=", b"+", b"\xff"):
            assert refused(SIGNED[:place] + stray + SIGNED[place:]) is Refusal.MALFORMED


def test_every_flipped_bit_is_noticed() -> None:
    """Wherever it is."""
    for bit in range(len(SIGNED) * 8):
        harmed = bytearray(SIGNED)
        harmed[bit // 8] ^= 1 << bit % 8
        assert refused(bytes(harmed)) in (Refusal.MALFORMED, Refusal.FORGED, Refusal.NO_KEY)


@given(st.integers(0, len(SIGNED) - 1), st.binary(max_size=3))
def test_a_message_that_ends_early_or_goes_on_is_noticed(end: int, rest: bytes) -> None:
    """Cut anywhere, and with something behind."""
    assert refused(SIGNED[:end]) in (Refusal.MALFORMED, Refusal.FORGED)
    if rest:
        assert refused(SIGNED + rest) in (Refusal.MALFORMED, Refusal.FORGED)


@given(st.binary(max_size=300))
def test_noise_is_the_named_error(noise: bytes) -> None:
    """Whatever arrives on a topic."""
    assert refused(noise) is Refusal.MALFORMED


@pytest.mark.parametrize(
    "noise", [b"." * 200_000, b"A" * 250_000, b"e30." * 60_000, b"[" * 100_000, b"..", b"\xff..a"]
)
def test_large_noise_is_not_looked_into(noise: bytes) -> None:
    """Sizes are held before anything is parsed."""
    assert refused(noise) is Refusal.MALFORMED
    assert refused(bytes(MESSAGE_BYTES_MAX + 1)) is Refusal.TOO_LARGE


def test_what_is_too_large_is_not_even_signed() -> None:
    """A payload that fits is opened again, one that does not is an error of the centre's."""
    large = b"x" * (MESSAGE_BYTES_MAX * 3 // 4 - 300)
    assert RING.opened(KEY.sign(large)) == large
    with pytest.raises(ContractError, match="signed, it takes"):
        KEY.sign(b"x" * MESSAGE_BYTES_MAX)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ed25519:",
        "ed25519:" + "A" * 44,
        "rsa:" + "A" * 43,
        "ed25519:" + "A" * 43 + "\n",
        "ed25519:" + "A" * 42 + "B",
    ],
)
def test_a_line_that_is_no_key_is_told(line: str) -> None:
    """It is what a person has pasted."""
    with pytest.raises(ContractError, match="is no public key"):
        PublicKey(line)


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"]
)
def test_a_file_that_is_no_private_key_is_told(pem: bytes) -> None:
    """The centre's start says it."""
    with pytest.raises(ContractError, match="is no private"):
        SigningKey.from_pem(pem)


DOCUMENT = Desired(1, "north", "gw-1", DesiredKind.LAMP_PLAN, 7, 5, 6, None, '{"更夫": 1}')


def test_a_document_comes_back_as_it_was() -> None:
    """A body of any length that is allowed fits into a message."""
    assert desired.decode(RING.opened(KEY.sign(desired.encode(DOCUMENT)))) == DOCUMENT
    large = Desired(
        1, "n" * 64, "g" * 64, DesiredKind.LAMP_PLAN, 2**62, 5, 6, None, "更" * (BODY_BYTES_MAX // 3)
    )
    assert desired.decode(RING.opened(KEY.sign(desired.encode(large)))) == large


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"sequence": 0},
        {"kind": "lamps"},
        {"gateway": "GW"},
        {"effective_ms": -1},
        {"expires_ms": 6},
        {"body": None},
        {"body": "更" * (BODY_BYTES_MAX // 3 + 1)},
    ],
)
def test_a_document_that_breaks_the_contract_is_refused(changes: dict[str, Any]) -> None:
    """Even if it is signed."""
    told = json.loads(desired.encode(DOCUMENT)) | changes
    with pytest.raises(ContractError):
        desired.decode(json.dumps(told).encode())


def test_a_body_that_is_no_object_is_told() -> None:
    """The least that any validator asks for."""
    assert desired.object_problems('{"a": 1}') == []
    for body in ("", "[]", "{", "1", "[" * 100_000):
        assert desired.object_problems(body)
