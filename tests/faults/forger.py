"""Somebody who has heard every document and holds other keys: makes what a gateway must not take."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from joserfc import jws
from joserfc.jwk import OctKey
from msgspec import structs

from contract import desired, topics
from contract.desired import Desired, DesiredKind
from contract.limits import MESSAGE_BYTES_MAX
from contract.signing import TYPE, SigningKey, payload_of

Made = tuple[str, bytes]
KINDS = [kind for kind in DesiredKind if kind is not DesiredKind.CONFIGURATION]
"""Lamps' documents; settings have a campaign of their own, for whoever takes them starts anew."""


def encoded(octets: bytes) -> bytes:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def decoded(segment: bytes) -> bytes:
    """Return what base64url stands for."""
    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


@dataclass
class Heard:
    """Genuine documents by gateway and kind, in the order in which they were published."""

    messages: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)

    def of(self, gateway: str, kind: str) -> list[bytes]:
        """Return those of one gateway and kind."""
        return self.messages.setdefault((gateway, kind), [])


class Forger:
    """Makes hostile messages for one gateway; ``late`` signs with the centre's own key, as a test double."""

    def __init__(
        self,
        chance: random.Random,
        gateway: str,
        neighbour: str,
        heard: Heard,
        key: SigningKey,
        now_ms: Callable[[], int],
    ) -> None:
        """``neighbour`` is a gateway whose documents are ahead in number; ``key`` is the centre's."""
        self._chance, self._gateway, self._neighbour = chance, gateway, neighbour
        self._heard, self._key, self._now_ms = heard, key, now_ms
        self._own = SigningKey.make()
        self._expired = 1_000_000
        self.kinds: dict[str, Callable[[], Made]] = {
            "wrong_key": self._wrong_key,
            "claimed_key": self._claimed_key,
            "changed_payload": self._changed_payload,
            "alg_none": self._alg_none,
            "alg_hs256": self._alg_hs256,
            "swapped_header": self._swapped_header,
            "embedded_key": self._embedded_key,
            "critical": self._critical,
            "truncated": self._truncated,
            "flipped": self._flipped,
            "respelt": self._respelt,
            "replayed": self._replayed,
            "other_bytes": self._other_bytes,
            "rolled_back": self._rolled_back,
            "expired": self._late,
            "cross_gateway": self._cross_gateway,
            "cross_kind": self._cross_kind,
            "unknown_kind": self._unknown_kind,
            "oversized": self._oversized,
            "noise": self._noise,
        }

    def message(self) -> tuple[str, str, bytes]:
        """Return a kind of forgery, a topic and a payload."""
        kind = self._chance.choice(list(self.kinds))
        return kind, *self.kinds[kind]()

    def _topic(self, kind: str) -> str:
        return topics.desired("forged", self._gateway, DesiredKind(kind))

    def _genuine(self) -> tuple[str, bytes]:
        """Return a kind, and its newest document of ours."""
        kind = self._chance.choice(KINDS)
        return kind, self._heard.of(self._gateway, kind)[-1]

    def _next(self, **changes: object) -> tuple[str, Desired]:
        """Return a kind, and the document that its gateway would take next, with a body of ours."""
        kind, message = self._genuine()
        document = desired.decode(payload_of(message))
        body = json.dumps({"forged": self._chance.random()})
        told = {"sequence": document.sequence + 1, "issued_ms": self._now_ms(), "body": body} | changes
        return kind, structs.replace(document, **told)

    def _under(self, header: dict[str, object]) -> Made:
        """Return the next document under a header of ours, with the signature of the newest genuine one."""
        kind, document = self._next()
        _, genuine = self._genuine()
        head = encoded(json.dumps(header, separators=(",", ":")).encode())
        told = b".".join((head, encoded(desired.encode(document)), genuine.split(b".")[2]))
        return self._topic(kind), told

    def _header(self, **changes: object) -> dict[str, object]:
        return {"alg": "EdDSA", "kid": self._key.public.kid, "typ": TYPE} | changes

    def _wrong_key(self) -> Made:
        kind, document = self._next()
        return self._topic(kind), self._own.sign(desired.encode(document))

    def _claimed_key(self) -> Made:
        """Signed by another key, under the name of the centre's."""
        kind, document = self._next()
        payload = encoded(desired.encode(document))
        signature = self._own.sign(desired.encode(document)).split(b".")[2]
        _, genuine = self._genuine()
        return self._topic(kind), b".".join((genuine.split(b".")[0], payload, signature))

    def _changed_payload(self) -> Made:
        return self._under(self._header())

    def _alg_none(self) -> Made:
        topic, message = self._under(self._header(alg=self._chance.choice(["none", "None", ""])))
        head, payload, signature = message.split(b".")
        return topic, b".".join((head, payload, self._chance.choice([b"", signature])))

    def _alg_hs256(self) -> Made:
        """With the public key as the secret."""
        kind, document = self._next()
        secret = OctKey.import_key(decoded(self._key.public.line.removeprefix("ed25519:").encode()))
        told = jws.serialize_compact(
            {"alg": "HS256", "kid": self._key.public.kid, "typ": TYPE}, desired.encode(document), secret
        )
        return self._topic(kind), told.encode()

    def _swapped_header(self) -> Made:
        """The genuine payload and signature, other bytes before them; spaces are enough."""
        kind, genuine = self._genuine()
        _, payload, signature = genuine.split(b".")
        headers = [self._header(typ="JWT"), self._header(b64=False), self._header(), {}, []]
        head = json.dumps(self._chance.choice(headers)).encode()
        return self._topic(kind), b".".join((encoded(head), payload, signature))

    def _embedded_key(self) -> Made:
        """Well signed by the very key that comes along."""
        kind, document = self._next()
        told = self._own.sign(desired.encode(document)).split(b".")
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": self._own.public.line.removeprefix("ed25519:")}
        head = self._header(**{self._chance.choice(["jwk", "jku", "x5c"]): jwk})
        return self._topic(kind), b".".join((encoded(json.dumps(head).encode()), *told[1:]))

    def _critical(self) -> Made:
        return self._under(self._header(crit=["exp"], exp=0))

    def _truncated(self) -> Made:
        kind, genuine = self._genuine()
        return self._topic(kind), genuine[: self._chance.randrange(1, len(genuine))]

    def _flipped(self) -> Made:
        kind, genuine = self._genuine()
        harmed = bytearray(genuine)
        for _ in range(self._chance.choice([1, 1, 1, 2, 5])):
            bit = self._chance.randrange(len(harmed) * 8)
            harmed[bit // 8] ^= 1 << bit % 8
        return self._topic(kind), bytes(harmed) if harmed != genuine else bytes(harmed) + b"A"

    def _respelt(self) -> Made:
        """The same octets in other letters: base64 leaves bits unused, and some readers skip what is none."""
        kind, genuine = self._genuine()
        if self._chance.random() < 0.5:
            place = self._chance.randrange(len(genuine))
            return self._topic(kind), genuine[:place] + self._chance.choice([b"\n", b" ", b"="]) + genuine[
                place:
            ]
        letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = letters[letters.index(genuine[-1]) ^ self._chance.randrange(1, 16)]
        return self._topic(kind), genuine[:-1] + bytes([last])

    def _replayed(self) -> Made:
        kind, genuine = self._genuine()
        return self._topic(kind), genuine

    def _other_bytes(self) -> Made:
        """As of a centre that was put back and numbers anew: the key is right, the number is used."""
        kind, document = self._next()
        used = structs.replace(document, sequence=document.sequence - 1)
        return self._topic(kind), self._key.sign(desired.encode(used))

    def _rolled_back(self) -> Made:
        kind = self._chance.choice(KINDS)
        return self._topic(kind), self._chance.choice(self._heard.of(self._gateway, kind)[:-1])

    def _late(self) -> Made:
        """Once good, higher in number than all, and kept back until it was over."""
        self._expired += 1
        now_ms = self._now_ms()
        over_ms = now_ms - self._chance.randrange(0, 10**9)
        kind, document = self._next(
            sequence=self._expired, issued_ms=over_ms - 2, effective_ms=over_ms - 1, expires_ms=over_ms
        )
        return self._topic(kind), self._key.sign(desired.encode(document))

    def _cross_gateway(self) -> Made:
        kind = self._chance.choice(KINDS)
        return self._topic(kind), self._heard.of(self._neighbour, kind)[-1]

    def _cross_kind(self) -> Made:
        kind, genuine = self._genuine()
        return self._topic(self._chance.choice([other for other in KINDS if other != kind])), genuine

    def _unknown_kind(self) -> Made:
        _, genuine = self._genuine()
        name = self._chance.choice(["lamps", "LAMP_PLAN", "lamp_plan ", "firmware", "x" * 150])
        return topics.desired("forged", self._gateway, "") + name, genuine

    def _oversized(self) -> Made:
        kind, genuine = self._genuine()
        return self._topic(kind), genuine + b"A" * (MESSAGE_BYTES_MAX + self._chance.randrange(100))

    def _noise(self) -> Made:
        noise = self._chance.randbytes(self._chance.randrange(1, 2_000))
        return self._topic(self._chance.choice(KINDS)), self._chance.choice(
            [noise, encoded(noise), b"." * 5_000]
        )
