"""Signatures: as an independent reading of the rules makes them; anything that is changed is found."""

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from collector.platforms.secret_files import SecretFileError, read_secret
from collector.platforms.signing import Signature, SignatureError, Signed, verified
from tests.collector.making import NOW_MS

SECRET = b"0123456789abcdef"
SCHEME = Signature(kind="hmac", key_id="k1")


def sm3(data: bytes) -> bytes:
    """Return a digest."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def by_hand(secret: bytes, data: bytes) -> bytes:
    """Return HMAC-SM3 by its definition (RFC 2104, blocks of 64 bytes)."""
    padded = secret.ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in padded) + data)
    return sm3(bytes(byte ^ 0x5C for byte in padded) + inner)


def signed(
    scheme: Signature,
    *,
    method: str = "POST",
    path: str = "/cb?a=1",
    body: bytes = b"{}",
    at_ms: int = NOW_MS,
    nonce: str = "n1",
) -> dict[str, str]:
    """Return the headers of a signed request, by lower-case names."""
    request = Signed(method, path, scheme.timestamp(at_ms), nonce, body)
    return {name.lower(): value for name, value in scheme.headers(SECRET, request).items()}


def test_sm3_is_the_standard_one() -> None:
    """GB/T 32905, first example."""
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("algorithm", ["sha256", "sm3"])
def test_what_is_signed_is_what_is_written(algorithm: str, encoding: str) -> None:
    """By lines: method, path with query, timestamp, nonce, body."""
    scheme = Signature.model_validate({"kind": "hmac", "algorithm": algorithm, "encoding": encoding})
    text = f"POST\n/cb?a=1\n{NOW_MS}\nn1\n{{}}".encode()
    digest = hmac.digest(SECRET, text, hashlib.sha256) if algorithm == "sha256" else by_hand(SECRET, text)
    wanted = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert signed(scheme)["x-signature"] == wanted


def test_a_digest_of_the_body_may_stand_for_it() -> None:
    """As many cities ask for."""
    scheme = Signature(kind="hmac", text="{key_id}{timestamp}{nonce}{body_digest}", key_id="k1")
    text = f"k1{NOW_MS}n1{hashlib.sha256(b'{}').hexdigest()}".encode()
    assert signed(scheme)["x-signature"] == hmac.digest(SECRET, text, hashlib.sha256).hex()


def checked(
    headers: dict[str, str], *, path: str = "/cb?a=1", body: bytes = b"{}", at_ms: int = NOW_MS
) -> str:
    """Return the nonce, or the word for why not."""
    try:
        return verified(SCHEME, SECRET, headers, "POST", path, body, now_ms=at_ms, window_s=300)
    except SignatureError as error:
        return error.word if str(error) else "without words"


def test_a_signed_request_is_taken_within_its_window() -> None:
    """To the millisecond, and in either direction: one of the clocks may be wrong."""
    assert checked(signed(SCHEME)) == "n1"
    assert checked(signed(SCHEME), at_ms=NOW_MS + 300_000) == "n1"
    assert checked(signed(SCHEME), at_ms=NOW_MS - 300_000) == "n1"
    assert checked(signed(SCHEME), at_ms=NOW_MS + 300_001) == "late"
    assert checked(signed(SCHEME), at_ms=NOW_MS - 300_001) == "late"


@pytest.mark.parametrize("header", ["x-signature", "x-timestamp", "x-nonce", "x-key-id"])
def test_every_part_of_it_counts(header: str) -> None:
    """Missing, or another."""
    headers = signed(SCHEME)
    assert checked({name: it for name, it in headers.items() if name != header}) == "unsigned"
    other = {"x-timestamp": str(NOW_MS + 1), "x-nonce": "n2", "x-signature": "0" * 64, "x-key-id": "k2"}
    assert checked(headers | {header: other[header]}) in ("forged", "unsigned")


def test_another_body_path_or_key_is_forged() -> None:
    """And so is a signature that is no signature."""
    assert checked(signed(SCHEME), body=b"{} ") == "forged"
    assert checked(signed(SCHEME), path="/cb?a=2") == "forged"
    assert checked(signed(SCHEME, method="PUT")) == "forged"
    assert checked(signed(SCHEME) | {"x-signature": "签名"}) == "forged"
    assert checked(signed(SCHEME) | {"x-timestamp": "now"}) == "malformed"
    assert checked(signed(SCHEME) | {"x-nonce": "n" * 200}) == "malformed"


def test_a_secret_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Mode, owner, form."""
    path = tmp_path / "secret"
    path.write_text("hush\n")
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        with pytest.raises(SecretFileError, match=rf"has mode {mode:04o}.*chmod 600 {path}"):
            read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "hush"
    for text in ("", "two\nlines", "密"):
        path.write_text(text)
        with pytest.raises(SecretFileError, match="holds no secret"):
            read_secret(path)
    with pytest.raises(SecretFileError, match="cannot be read"):
        read_secret(tmp_path / "none")
    if os.geteuid() == 0:
        path.write_text("hush")
        os.chown(path, 1234, 1234)
        with pytest.raises(SecretFileError, match="belongs to user 1234"):
            read_secret(path)
