"""What is signed of a release: which archive it is, and which newer versions it may take the place of."""

from typing import Annotated, Literal

import msgspec

from contract.errors import ContractError
from contract.signing import KeyRing, SigningKey

RELEASE_TYPE = "gengfu-release+jws"
SIGNATURE_BYTES_MAX = 16 * 1024
SUFFIX = ".jws"
"""Of the file beside the archive that holds the signature."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release as its maker vouches for it."""

    schema: Literal[1]
    product: Text
    version: Text
    python: Text
    multiarch: Text
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of the archive, which is thereby signed whole."""
    may_replace: Annotated[list[Text], msgspec.Meta(max_length=64)] = []
    """Versions as new or newer that it may take the place of: the permission for a downgrade."""


def signed(offer: Offer, key: SigningKey) -> bytes:
    """Return the signature's file."""
    return key.sign(msgspec.json.encode(offer), RELEASE_TYPE)


def opened(message: bytes, keys: KeyRing) -> Offer:
    """Return what a signature's file vouches for; ContractError where none of the keys has signed it.

    The ring must be one for ``RELEASE_TYPE``: what is signed as anything else is no release.
    """
    try:
        return msgspec.json.decode(keys.opened(message.strip()), type=Offer)
    except msgspec.MsgspecError as error:
        raise ContractError(f"what is signed is no release of this form: {error}") from error


def ring(lines: list[str]) -> KeyRing:
    """Return the keys of a file's lines that are believed for releases; ContractError where one is none."""
    return KeyRing(lines, RELEASE_TYPE, bytes_max=SIGNATURE_BYTES_MAX)
