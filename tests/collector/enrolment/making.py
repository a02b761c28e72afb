"""What the tests of enrolment make: keys, requests, an authority, a desk on a database of its own."""

import asyncio
import base64
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any, ParamSpec

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from collector.database import Database
from collector.enrolment import codes, revoking
from collector.enrolment.authority import Authority, Revoked, root
from collector.enrolment.codes import NewCode
from collector.enrolment.desk import Answer, EnrolmentDesk
from collector.enrolment.revoking import Ended
from collector.enrolment.settings import Enrolment
from collector.people.roles import LOCAL
from tests.collector.making import NOW_MS

P = ParamSpec("P")
DAY_MS = 86_400_000
CODE = "ABCD-EFGH-JKMN-PQRS"
_serials = count(1 << 100)


def serial() -> int:
    """Return a serial number that nothing else has."""
    return next(_serials)


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a key as a gateway makes it."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(district: str = "north", now_ms: int = NOW_MS, valid_days: float = 9000) -> Authority:
    """Return an authority of its own."""
    return root(district, new_key(), serial=serial(), now_ms=now_ms - DAY_MS, valid_days=valid_days)


def request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str | None = "gw-1", *alternatives: str
) -> bytes:
    """Return a request in base64; ``name`` None: an empty subject."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name is not None else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if alternatives:
        names = [x509.UniformResourceIdentifier(each) for each in alternatives]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return base64.encodebytes(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


@dataclass
class Bench:
    """A desk, its database, and the time."""

    desk: EnrolmentDesk
    state: Database
    folder: Path
    now_ms: int = NOW_MS

    def code(self, gateway: str = "gw-1", code: str = CODE, hours: float = 1) -> str:
        """Make a code."""
        new = NewCode(gateway, code, self.now_ms + round(hours * 3_600_000))
        self.state.write_now(lambda db: codes.make(db, LOCAL, self.now_ms, new, 100))
        return code

    def enrol(self, code: str, body: bytes, gateway: str = "gw-1") -> Answer:
        """Ask simpleenroll."""
        return self.state.write_now(lambda db: self.desk.enrol(db, self.now_ms, gateway, code, body))

    def renew(self, held: x509.Certificate, body: bytes) -> Answer:
        """Ask simplereenroll."""
        return self.state.write_now(lambda db: self.desk.renew(db, self.now_ms, held, body))

    def revoke(self, gateway: str = "gw-1") -> Ended:
        """Take a gateway's identity back."""
        return self.state.write_now(lambda db: self.desk.revoke(db, LOCAL, self.now_ms, gateway, "stolen"))

    def listed(self) -> set[int]:
        """Return the serial numbers that the broker is told."""
        return {each.serial for each in self.list()}

    def list(self) -> list[Revoked]:
        """Return what the broker is told."""
        return self.state.read_now(lambda db: revoking.listed(db, self.desk.authority, self.now_ms))

    def issued(self, gateway: str, key: ec.EllipticCurvePrivateKey, **more: Any) -> x509.Certificate:
        """Issue past the desk."""
        told = {"serial": serial(), "now_ms": self.now_ms, "valid_days": 90} | more
        return self.desk.authority.gateway("north", gateway, key.public_key(), **told)


@contextmanager
def bench(folder: Path, by: Authority | None = None, **settings: Any) -> Iterator[Bench]:
    """Lend a desk, with an authority of its own unless one is given."""
    state = Database(folder / "collector.db", "state")
    try:
        yield Bench(EnrolmentDesk(Enrolment(**settings), "north", by or authority()), state, folder)
    finally:
        state.close()
