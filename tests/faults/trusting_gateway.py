"""The ``gengfu`` command with a verifier that leaves one check out: ``--without signature`` and the like.

The control of ``tests.faults.forged``: a gateway that misses a check must take what that check is there for.
"""

import sys
from collections.abc import Callable
from typing import Any

from contract import desired
from contract.desired import Desired, Refusal
from contract.errors import ContractError
from contract.signing import payload_of
from edge.desired import judging
from edge.desired.held import Document
from edge.desired.judging import Verifier
from gengfu.main import run

WITHOUT = "--without"


def _believe(self: Verifier, message: bytes) -> Desired:
    try:
        return desired.decode(payload_of(message))
    except ContractError as error:
        raise judging._Refusal(Refusal.MALFORMED, str(error)) from error


def _no_signature() -> None:
    Verifier.opened = _believe  # type: ignore[method-assign]


def _no_sequence() -> None:
    Verifier.check_sequence = _nothing  # type: ignore[method-assign, assignment]
    Verifier.is_known = lambda *_: False  # type: ignore[method-assign]


def _no_place() -> None:
    Verifier.check_place = _nothing  # type: ignore[method-assign, assignment]


def _no_expiry() -> None:
    Document.is_over = lambda *_: False  # type: ignore[method-assign]


def _nothing(*_: Any) -> None:
    pass


CHECKS: dict[str, Callable[[], None]] = {
    "signature": _no_signature,
    "sequence": _no_sequence,
    "gateway": _no_place,
    "expiry": _no_expiry,
}

if __name__ == "__main__":
    place = sys.argv.index(WITHOUT)
    CHECKS[sys.argv[place + 1]]()
    del sys.argv[place : place + 2]
    run()
