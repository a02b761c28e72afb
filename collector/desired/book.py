"""Desired documents in the state: pushed to many gateways or to none, numbered, and what became of them.

Every function runs inside a transaction of its caller's. A gateway may know higher sequences than the state
does, after a backup was put back: then numbering goes on from there. What the state held to be newest and the
gateway has passed is not sent again by itself: people may have pushed something newer since the backup.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector import registry
from collector.desired import heard as desired_heard
from collector.desired.heard import Heard
from collector.desired.states import OPEN, RETRIED, State, is_of_former_key, is_passed, is_unheard
from collector.tables import desired
from collector.tables import desired_heard as desired_heard_table
from contract import batches
from contract.desired import Desired, DesiredKind, Outcome, Refusal, decode, encode
from contract.errors import ContractError
from contract.events import DesiredReport
from contract.limits import VERSION
from contract.signing import SigningKey, payload_of

AHEAD = (
    "the gateway took sequence {highest}, which this centre does not know: a backup was put back, or another "
    "centre signs with this key; push again, and it is numbered from there"
)
NO_KEY = (
    "this centre has no signing key; stop it, run `gengfu collector init` with its settings file, and paste "
    "the public key into the gateways' settings"
)
UNHEARD = "no gateway of this name was ever heard; /api/v1/gateways lists them"


class Signed(NamedTuple):
    """A document, and the JWS by which it travels."""

    document: Desired
    jws: bytes


class PushError(Exception):
    """Nothing was pushed; ``problems`` are by gateway, or empty where none can be pushed to at all."""

    def __init__(self, text: str, problems: Mapping[str, str] | None = None) -> None:
        """Keep both."""
        super().__init__(text)
        self.problems = dict(problems or {})


@dataclass(frozen=True, slots=True)
class Push:
    """One document each for several gateways; ``effective_ms`` None means now, ``expires_ms`` None never."""

    kind: DesiredKind
    bodies: Mapping[str, str]
    who: str
    effective_ms: int | None = None
    expires_ms: int | None = None


class DesiredBook:
    """Writes the documents; ``key`` is None where the centre has none and can push nothing."""

    def __init__(
        self,
        district: str,
        key: SigningKey | None,
        *,
        now_ms: Callable[[], int],
        retry_max_s: float,
        history_max: int,
    ) -> None:
        """``history_max`` documents of each gateway and kind are kept."""
        self._district, self._key, self._now_ms = district, key, now_ms
        self._retry_max_ms, self._history_max = round(retry_max_s * 1000), history_max

    def push(self, connection: Connection, push: Push) -> None:
        """Write a document for each gateway; PushError, and nothing is written, where one cannot be."""
        if self._key is None:
            raise PushError(NO_KEY)
        now_ms = self._now_ms()
        if push.expires_ms is not None and push.expires_ms <= now_ms:
            raise PushError(f"expires_ms {push.expires_ms} is over: it is {now_ms} now")
        known = registry.known(connection, push.bodies)
        following = self._following(connection, push.kind, push.bodies)
        problems = {name: UNHEARD for name in push.bodies if name not in known}
        signed: list[Signed] = []
        for gateway, body in push.bodies.items():
            document = Desired(
                VERSION,
                self._district,
                gateway,
                push.kind,
                following[gateway],
                now_ms,
                now_ms if push.effective_ms is None else push.effective_ms,
                push.expires_ms,
                body,
            )
            try:
                signed.append(Signed(document, self._key.sign(encode(document))))
            except ContractError as error:
                problems.setdefault(gateway, str(error))
        if problems:
            raise PushError(f"{len(problems)} of {len(push.bodies)} documents are refused", problems)
        self._write(connection, push.kind, signed, push.who)

    def reported(self, connection: Connection, gateway: str, report: DesiredReport, heard_ms: int) -> None:
        """Take what a gateway tells of its documents."""
        if report.kind not in list(DesiredKind):
            return
        is_repetition = report.refusal is Refusal.REPLAYED and report.outcome is not Outcome.REFUSED
        if is_repetition and report.sequence != report.highest:
            return  # it is told late, and was true then
        kind = DesiredKind(report.kind)
        heard = desired_heard.of(connection, gateway, kind)
        if desired_heard.believed(connection, gateway, kind, report.highest) >= max(heard.highest, 1):
            heard = heard._replace(highest=report.highest, highest_issued_ms=report.highest_issued_ms)
        if report.outcome is Outcome.IN_FORCE:
            heard = heard._replace(in_force=report.sequence)
        elif report.outcome in (Outcome.EXPIRED, Outcome.OVERRIDDEN):
            heard = heard._replace(in_force=None)
        desired_heard.keep(connection, gateway, kind, heard, heard_ms)
        newest = self._newest(connection, gateway, kind)
        if newest is None:
            return
        if report.digest:
            self._settle(connection, gateway, kind, report, is_newest=report.digest == newest.digest)
        if is_passed(newest, report, heard.highest):
            self._follow(connection, newest, heard)
        elif self._key is not None and is_of_former_key(newest, report, self._key):
            self._again(connection, newest, self._key, "the gateway does not know the key that had signed it")

    def _settle(
        self,
        connection: Connection,
        gateway: str,
        kind: DesiredKind,
        report: DesiredReport,
        *,
        is_newest: bool,
    ) -> None:
        """Note what became of the document that a report names."""
        if report.outcome is Outcome.REFUSED and not is_newest:
            return  # somebody sent an old one again
        of_kind = (desired.c.gateway == gateway, desired.c.kind == str(kind))
        told: dict[str, Any] = {"state": str(report.outcome), "reported_ms": report.time_ms, "next_ms": None}
        if report.outcome is Outcome.REFUSED and report.refusal in RETRIED:
            told["next_ms"] = self._now_ms() + self._retry_max_ms
        this = (*of_kind, desired.c.digest == report.digest)
        is_repetition = report.refusal is Refusal.REPLAYED and report.outcome is not Outcome.REFUSED
        if (
            is_repetition
            and connection.execute(
                select(desired.c.state).where(*this, desired.c.state == told["state"])
            ).first()
        ):
            return  # its reason was told the first time
        told |= {"refusal": str(report.refusal or ""), "reason": report.reason}
        if is_repetition:
            told["refusal"] = ""
        connection.execute(update(desired).where(*this).values(told))
        if report.outcome is Outcome.IN_FORCE:
            replaced = (*of_kind, desired.c.digest != report.digest, desired.c.state == State.IN_FORCE)
            connection.execute(update(desired).where(*replaced).values(state=State.SUPERSEDED.value))

    def _follow(self, connection: Connection, newest: Row[Any], heard: Heard) -> None:
        """The gateway has passed the newest document: number it on, unless what passed it is later."""
        this = (
            desired.c.gateway == newest.gateway,
            desired.c.kind == newest.kind,
            desired.c.sequence == newest.sequence,
        )
        told: dict[str, Any] = {"next_ms": None, "reason": AHEAD.format(highest=heard.highest)}
        if is_unheard(newest) and newest.issued_ms > heard.highest_issued_ms and self._key is not None:
            self._again(connection, newest, self._key, f"the gateway had taken {heard.highest} before")
            return
        if is_unheard(newest):
            told |= {"state": State.REFUSED.value, "refusal": str(Refusal.ROLLED_BACK)}
        else:
            told["state"] = State.SUPERSEDED.value
        connection.execute(update(desired).where(*this).values(told))

    def _again(self, connection: Connection, newest: Row[Any], key: SigningKey, why: str) -> None:
        """Sign the newest document once more, with the key and the number of now."""
        document = decode(payload_of(newest.jws))
        sequence = self._following(connection, document.kind, [newest.gateway])[newest.gateway]
        fresh = structs.replace(document, sequence=sequence)
        self._write(connection, document.kind, [Signed(fresh, key.sign(encode(fresh)))], newest.who)
        this = (
            desired.c.gateway == newest.gateway,
            desired.c.kind == newest.kind,
            desired.c.sequence == newest.sequence,
        )
        connection.execute(update(desired).where(*this).values(reason=f"sent again as {sequence}: {why}"))

    def _write(self, connection: Connection, kind: DesiredKind, signed: Sequence[Signed], who: str) -> None:
        """Write documents of one kind that are to hold from now on, in place of what is not in force."""
        now_ms = self._now_ms()
        of_kind = (
            desired.c.kind == str(kind),
            desired.c.gateway.in_([each.document.gateway for each in signed]),
        )
        replaced = (*of_kind, desired.c.state.in_((*OPEN, State.STORED, State.REFUSED)))
        connection.execute(update(desired).where(*replaced).values(state=State.SUPERSEDED.value))
        connection.execute(update(desired).where(*of_kind).values(next_ms=None))
        connection.execute(
            plain_insert(desired),
            [
                {
                    "gateway": each.document.gateway,
                    "kind": str(kind),
                    "sequence": each.document.sequence,
                    "jws": each.jws,
                    "digest": batches.digest(each.jws),
                    "body_digest": batches.digest(each.document.body.encode()),
                    "issued_ms": each.document.issued_ms,
                    "effective_ms": each.document.effective_ms,
                    "expires_ms": each.document.expires_ms,
                    "who": who,
                    "state": State.WAITING.value,
                    "refusal": "",
                    "reason": "",
                    "reported_ms": None,
                    "attempts": 0,
                    "sent_ms": None,
                    "next_ms": now_ms,
                }
                for each in signed
            ],
        )
        self._trim(connection, of_kind)

    def _trim(self, connection: Connection, of_kind: tuple[ColumnElement[bool], ...]) -> None:
        """Drop what is older than the history that is kept, but for what is in force."""
        place = func.row_number().over(partition_by=desired.c.gateway, order_by=desired.c.sequence.desc())
        placed = (
            select(desired.c.gateway, desired.c.sequence, place.label("place")).where(*of_kind).subquery()
        )
        old = select(placed.c.gateway, placed.c.sequence).where(placed.c.place > self._history_max)
        for gateway, sequence in connection.execute(old).all():
            this = (desired.c.gateway == gateway, desired.c.sequence == sequence)
            unused = desired.c.state != str(State.IN_FORCE)
            connection.execute(delete(desired).where(*this, of_kind[0], unused))

    def _following(self, connection: Connection, kind: DesiredKind, names: Collection[str]) -> dict[str, int]:
        """Return the next sequence of each gateway."""
        last = dict.fromkeys(names, 0)
        newest = (
            select(desired.c.gateway, func.max(desired.c.sequence))
            .where(desired.c.kind == str(kind), desired.c.gateway.in_(names))
            .group_by(desired.c.gateway)
        )
        heard = select(desired_heard_table.c.gateway, desired_heard_table.c.highest).where(
            desired_heard_table.c.kind == str(kind), desired_heard_table.c.gateway.in_(names)
        )
        for query in (newest, heard):
            for gateway, sequence in connection.execute(query):
                last[gateway] = max(last[gateway], sequence)
        return {gateway: sequence + 1 for gateway, sequence in last.items()}

    def _newest(self, connection: Connection, gateway: str, kind: DesiredKind) -> Row[Any] | None:
        query = select(desired).where(desired.c.gateway == gateway, desired.c.kind == str(kind))
        return connection.execute(query.order_by(desired.c.sequence.desc()).limit(1)).first()
