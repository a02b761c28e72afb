"""The file of a key that a TPM has made: a "TSS2 PRIVATE KEY", the private half encrypted by that TPM. Pure.

The public half stands in it in clear (TPM2B_PUBLIC of the TPM 2.0 library, part 2), so that a certificate is
found to be for this key without asking the TPM.
"""

import base64
import binascii
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

BEGIN, END = b"-----BEGIN TSS2 PRIVATE KEY-----", b"-----END TSS2 PRIVATE KEY-----"

_OID = bytes.fromhex("06066781050a0103")
"""2.23.133.10.1.3, a key that a TPM can load."""
_OCTETS, _SEQUENCE, _LONG = 0x04, 0x30, 0x80
_ECC, _NULL, _P256 = 0x0023, 0x0010, 0x0003
_MADE_INSIDE = 1 << 1 | 1 << 4 | 1 << 5
"""fixedTPM, fixedParent, sensitiveDataOrigin: made by this TPM, and not to be had for another."""


class Tss2Error(ValueError):
    """Bytes that are no such key; the text says what is wrong with them."""


def is_tss2(pem: bytes) -> bool:
    """Say whether a file of PEM holds such a key."""
    return BEGIN in pem


def public(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public half; Tss2Error unless it is a key of ECDSA on P-256 that a TPM made and keeps."""
    _, began, rest = pem.partition(BEGIN)
    body, ended, _ = rest.partition(END)
    if not (began and ended):
        raise Tss2Error("holds no key of a TPM")
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise Tss2Error("holds a key of a TPM that is cut short") from error
    sequence = _Bytes(der).element(_SEQUENCE)
    if sequence.take(len(_OID)) != _OID:
        raise Tss2Error("holds something else than a key that a TPM can load")
    while True:  # optional parts, then the parent; the first octets are the public half
        kind, content = sequence.any_element()
        if kind == _OCTETS:
            return _area(content)


def _area(told: "_Bytes") -> ec.EllipticCurvePublicKey:
    """Return the key of a TPM2B_PUBLIC."""
    area = _Bytes(told.sized())
    if area.number(2) != _ECC:
        raise Tss2Error("is no key of ECDSA on P-256")
    area.number(2)
    attributes = area.number(4)
    if attributes & _MADE_INSIDE != _MADE_INSIDE:
        raise Tss2Error("was not made in a TPM to stay there")
    area.sized()
    if area.number(2) != _NULL:
        raise Tss2Error("is a key for storage, which does not sign")
    if area.number(2) != _NULL:
        area.number(2)
    if area.number(2) != _P256:
        raise Tss2Error("is no key of ECDSA on P-256")
    if area.number(2) != _NULL:
        area.number(2)
    x, y = (int.from_bytes(area.sized()) for _ in "xy")
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise Tss2Error("holds a public half that is on no curve") from error


@dataclass
class _Bytes:
    """Bytes that are read once, from front to back; Tss2Error where they end early."""

    left: bytes

    def take(self, count: int) -> bytes:
        """Return so many."""
        if count > len(self.left):
            raise Tss2Error("holds a key of a TPM that is cut short")
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, count: int) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.take(count))

    def sized(self) -> bytes:
        """Return what a TPM2B holds."""
        return self.take(self.number(2))

    def any_element(self) -> "tuple[int, _Bytes]":
        """Return the next element of DER."""
        kind, length = self.number(1), self.number(1)
        if length & _LONG:
            length = self.number(min(length & ~_LONG, 4))
        return kind, _Bytes(self.take(length))

    def element(self, kind: int) -> "_Bytes":
        """Return the next element, which is of this kind."""
        found, content = self.any_element()
        if found != kind:
            raise Tss2Error("holds something else than a key that a TPM can load")
        return content
