"""EST (RFC 7030 with RFC 8951) above HTTP: which question, and the answer in its exact form."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database
from collector.enrolment.desk import Answer, EnrolmentDesk, Refused

PREFIX = "/.well-known/est"
FACTS = "/.well-known/gengfu"
"""What a gateway's settings need to know of the centre; not of EST."""
PKCS7, PKCS10 = "application/pkcs7-mime", "application/pkcs10"
CHALLENGE = ("www-authenticate", 'Basic realm="gateway and its one-time code", charset="UTF-8"')
METHODS = {
    f"{PREFIX}/cacerts": "GET",
    f"{PREFIX}/csrattrs": "GET",
    f"{PREFIX}/simpleenroll": "POST",
    f"{PREFIX}/simplereenroll": "POST",
    FACTS: "GET",
}
RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, whole; ``held`` is the certificate that TLS has verified but for its time, as DER."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    held: bytes | None


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


def plain(status: int, words: str, *headers: tuple[str, str]) -> Told:
    """Return an answer of plain text."""
    return Told(status, f"{words}\n".encode(), [("content-type", "text/plain; charset=utf-8"), *headers])


class Answering:
    """Answers what is asked; the desk decides."""

    def __init__(
        self,
        desk: EnrolmentDesk,
        state: Database,
        facts: Mapping[str, object],
        *,
        now_ms: Callable[[], int],
        learnt: Callable[[str], None] | None = None,
    ) -> None:
        """``facts`` are told to whoever asks: nothing in them is secret.

        ``learnt`` is called with a gateway of which a revoked certificate was shown that no list has yet.
        """
        self._desk, self._state, self._now_ms = desk, state, now_ms
        self._learnt = learnt
        self._facts = json.dumps(dict(facts)).encode()

    async def answer(self, asked: Asked) -> Told:
        """Answer one request."""
        path = asked.path.partition("?")[0]
        wanted = METHODS.get(path)
        if wanted is None:
            return plain(404, f"there is {', '.join(METHODS)}")
        if asked.method != wanted:
            return plain(405, f"{path} is for {wanted}", ("allow", wanted))
        return self._told(path) if wanted == "GET" else await self._issued(path, asked)

    def _told(self, path: str) -> Told:
        """Answer what everybody may know."""
        if path == FACTS:
            return Told(200, self._facts, [("content-type", "application/json")])
        return certificates_told(self._desk.authority.chain) if path.endswith("cacerts") else Told(204)

    async def _issued(self, path: str, asked: Asked) -> Told:
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != PKCS10:
            return plain(415, f"send the request as {PKCS10}: base64 of its DER")
        try:
            answer = await self._decided(path, asked)
        except SQLAlchemyError:
            return plain(503, "the centre's database is away; try again", ("retry-after", str(RETRY_AFTER_S)))
        if isinstance(answer, Refused) and answer.learnt and self._learnt:
            self._learnt(answer.learnt)
        return _told(answer)

    async def _decided(self, path: str, asked: Asked) -> Answer:
        if path.endswith("simplereenroll"):
            if asked.held is None:
                return Refused(401, "bring the certificate that is to be renewed (TLS client authentication)")
            held = x509.load_der_x509_certificate(asked.held)
            return await self._state.write(lambda db: self._desk.renew(db, self._now_ms(), held, asked.body))
        brought = _basic(asked.headers.get("authorization", ""))
        if brought is None:
            return Refused(401, "bring the gateway's name and its one-time code (HTTP Basic)")
        gateway, code = brought
        return await self._state.write(
            lambda db: self._desk.enrol(db, self._now_ms(), gateway, code, asked.body)
        )


def certificates_told(chain: tuple[x509.Certificate, ...], kind: str = PKCS7) -> Told:
    """Return certificates as a PKCS #7 that holds nothing else, in base64."""
    body = base64.encodebytes(pkcs7.serialize_certificates(list(chain), Encoding.DER))
    # RFC 7030 wants the encoding said, RFC 8951 wants receivers to take no notice of it: so it is said.
    return Told(200, body, [("content-type", kind), ("content-transfer-encoding", "base64")])


def _told(answer: Answer) -> Told:
    if isinstance(answer, Refused):
        headers = [CHALLENGE] if answer.status == HTTPStatus.UNAUTHORIZED else []
        if answer.retry_after_s is not None:
            headers.append(("retry-after", str(answer.retry_after_s)))
        return plain(answer.status, answer.words, *headers)
    return certificates_told((answer,), f"{PKCS7}; smime-type=certs-only")


def _basic(header: str) -> tuple[str, str] | None:
    """Return name and password of HTTP Basic, or None."""
    scheme, _, given = header.partition(" ")
    try:
        name, colon, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if scheme.lower() == "basic" and colon else None
