"""Requests are read as generously as RFC 8951 asks, and signed as strictly as names and keys need."""

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from collector.enrolment.requests import RequestError, check, decoded
from tests.collector.enrolment.making import new_key, request

KEY = new_key()
GOOD = request(KEY, "gw-1", "gengfu://north/gw-1")


@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.sampled_from([b" ", b"\n", b"\r\n", b"\t"])), max_size=20
    )
)
def test_white_space_anywhere_changes_nothing(places: list[tuple[int, bytes]]) -> None:
    """RFC 8951: whoever reads base64 takes no notice of it."""
    text = GOOD
    for at, space in places:
        text = text[:at] + space + text[at:]
    assert decoded(text).subject == decoded(GOOD).subject


def test_pem_is_taken_too() -> None:
    """What openssl writes without -outform DER."""
    body = b"-----BEGIN CERTIFICATE REQUEST-----\n" + GOOD + b"-----END CERTIFICATE REQUEST-----\n"
    check(decoded(body), "north", "gw-1")


@given(st.binary(max_size=400))
def test_noise_is_no_request(noise: bytes) -> None:
    """And ends in one kind of error."""
    for body in (noise, base64.b64encode(noise)):
        with pytest.raises(RequestError):
            decoded(body)


def test_a_harmed_request_is_not_signed_for_another() -> None:
    """Each bit of it, changed alone, is noticed or was of no meaning."""
    whole = base64.b64decode(GOOD)
    for bit in range(8 * len(whole)):
        der = bytearray(whole)
        der[bit // 8] ^= 1 << bit % 8
        try:
            key = check(decoded(base64.b64encode(der)), "north", "gw-1")
        except RequestError:
            continue
        assert key == KEY.public_key()


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda: request(KEY, "gw-2"), "is for 'gw-2', and gw-1 asks"),
        (lambda: request(KEY, "gw-1", "gengfu://south/gw-1"), "only alternative name"),
        (lambda: request(KEY, "gw-1", "gengfu://north/gw-1", "gengfu://north/gw-2"), "only alternative name"),
        (lambda: request(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (lambda: request(rsa.generate_private_key(65_537, 2048)), "P-256"),
    ],
)
def test_what_is_not_the_gateways_own_is_refused(made: Callable[[], bytes], what: str) -> None:
    """Names of others, keys of another kind; each with its reason."""
    with pytest.raises(RequestError, match=what):
        check(decoded(made()), "north", "gw-1")


def test_an_empty_subject_means_whoever_asks() -> None:
    """The name is known from the code or the certificate."""
    assert isinstance(decoded(request(KEY, None)), x509.CertificateSigningRequest)
    assert check(decoded(request(KEY, None)), "north", "gw-1") == KEY.public_key()
