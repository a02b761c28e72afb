"""Rollouts in the tables: begun, taken one step further, stopped. All of it runs inside a transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.desired.book import DesiredBook, Push, PushError
from collector.desired.states import OPEN, RETRIED, State
from collector.rollouts.stepping import RolloutState, Step, Target, TargetState, step, waves
from collector.rollouts.tables import rollout_targets, rollouts
from collector.tables import desired, gateways
from contract import batches
from contract.desired import DesiredKind

KIND = DesiredKind.CONFIGURATION
KEPT_MAX = 100
"""So many rollouts are kept, the newest; one that runs is never dropped."""


class RolloutError(ValueError):
    """What was asked for cannot be; the text says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What is to be brought where: settings by gateway, in this order, in waves of these sizes."""

    documents: Mapping[str, str]
    sizes: Sequence[int]
    failures_max: int
    absent_after_ms: int
    who: str
    note: str = ""


class RolloutBook:
    """Begins rollouts and takes them further."""

    def __init__(
        self, desired_book: DesiredBook, *, now_ms: Callable[[], int], new_id: Callable[[], str]
    ) -> None:
        """``desired_book`` signs and numbers what is pushed."""
        self._desired, self._now_ms, self._new_id = desired_book, now_ms, new_id

    def begin(self, connection: Connection, plan: Plan) -> str:
        """Begin a rollout, and push to its first wave; return its id. RolloutError, PushError."""
        known = set(connection.execute(select(gateways.c.gateway)).scalars())
        if strangers := sorted(set(plan.documents) - known):
            raise RolloutError(f"not known here: {', '.join(strangers[:10])}")
        if (busy := self._busy(connection, plan.documents)) is not None:
            told = f"{busy.gateway} is in rollout {busy.id}, which is running; stop that one, or wait"
            raise RolloutError(told)
        rollout_id, now_ms = self._new_id(), self._now_ms()
        connection.execute(
            plain_insert(rollouts).values(
                id=rollout_id,
                who=plan.who,
                note=plan.note,
                state=RolloutState.RUNNING.value,
                reason="",
                failures_max=plan.failures_max,
                absent_after_ms=plan.absent_after_ms,
                begun_ms=now_ms,
                changed_ms=now_ms,
            )
        )
        connection.execute(
            plain_insert(rollout_targets),
            [
                {
                    "rollout_id": rollout_id,
                    "gateway": gateway,
                    "wave": wave,
                    "body": plan.documents[gateway],
                    "body_digest": batches.digest(plan.documents[gateway].encode()),
                    "state": TargetState.WAITING.value,
                    "reason": "",
                    "pushed_ms": None,
                }
                for gateway, wave in waves(list(plan.documents), plan.sizes)
            ],
        )
        self._further(connection, self._one(connection, rollout_id))
        self._trim(connection)
        return rollout_id

    def further(self, connection: Connection) -> None:
        """Take every rollout that runs one step further."""
        running = select(rollouts).where(rollouts.c.state == RolloutState.RUNNING.value)
        for rollout in connection.execute(running).all():
            self._heard(connection, rollout)
            try:
                self._further(connection, rollout)
            except PushError as error:  # the key is gone, or the like
                self._end(connection, rollout.id, RolloutState.STOPPED, str(error))

    def stop(self, connection: Connection, rollout_id: str, who: str) -> None:
        """Push to nobody else; what was pushed stays. RolloutError where it does not run."""
        if self._one(connection, rollout_id).state != RolloutState.RUNNING:
            raise RolloutError("it does not run any more")
        self._end(connection, rollout_id, RolloutState.STOPPED, f"stopped by {who}")

    def _one(self, connection: Connection, rollout_id: str) -> Row[Any]:
        row = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).first()
        if row is None:
            raise RolloutError(f"there is no rollout {rollout_id}")
        return row

    def _busy(self, connection: Connection, names: Mapping[str, str]) -> Any:
        query = (
            select(rollout_targets.c.gateway, rollouts.c.id)
            .join(rollouts, rollouts.c.id == rollout_targets.c.rollout_id)
            .where(rollouts.c.state == RolloutState.RUNNING.value, rollout_targets.c.gateway.in_(list(names)))
        )
        return connection.execute(query.limit(1)).first()

    def _further(self, connection: Connection, rollout: Row[Any]) -> None:
        rows = connection.execute(
            select(rollout_targets).where(rollout_targets.c.rollout_id == rollout.id)
        ).all()
        told: Step = step(
            [Target(row.gateway, row.wave, TargetState(row.state)) for row in rows], rollout.failures_max
        )
        if told.end is not None:
            self._end(connection, rollout.id, told.end, told.reason)
        elif told.push:
            bodies = {row.gateway: row.body for row in rows if row.gateway in told.push}
            self._desired.push(connection, Push(KIND, bodies, rollout.who))
            self._note(
                connection, rollout.id, told.push, state=TargetState.PUSHED.value, pushed_ms=self._now_ms()
            )

    def _heard(self, connection: Connection, rollout: Row[Any]) -> None:
        """Take over what became of what was pushed."""
        pushed = select(rollout_targets).where(
            rollout_targets.c.rollout_id == rollout.id,
            rollout_targets.c.state == TargetState.PUSHED.value,
        )
        for target in connection.execute(pushed).all():
            newest = connection.execute(
                select(desired.c.state, desired.c.refusal, desired.c.reason, desired.c.body_digest)
                .where(desired.c.gateway == target.gateway, desired.c.kind == str(KIND))
                .order_by(desired.c.sequence.desc())
                .limit(1)
            ).first()
            late = self._now_ms() - target.pushed_ms > rollout.absent_after_ms
            state, reason = _became(newest, target.body_digest, late=late)
            if state is not TargetState.PUSHED:
                self._note(connection, rollout.id, [target.gateway], state=state.value, reason=reason)

    def _note(self, connection: Connection, rollout_id: str, names: Sequence[str], **values: object) -> None:
        connection.execute(
            update(rollout_targets)
            .where(rollout_targets.c.rollout_id == rollout_id, rollout_targets.c.gateway.in_(names))
            .values(**values)
        )
        connection.execute(
            update(rollouts).where(rollouts.c.id == rollout_id).values(changed_ms=self._now_ms())
        )

    def _end(self, connection: Connection, rollout_id: str, state: RolloutState, reason: str) -> None:
        told = {"state": state.value, "reason": reason[:500], "changed_ms": self._now_ms()}
        connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(told))

    def _trim(self, connection: Connection) -> None:
        last = connection.execute(select(func.max(rollouts.c.row))).scalar() or 0
        old = connection.execute(
            select(rollouts.c.id).where(
                rollouts.c.row <= last - KEPT_MAX, rollouts.c.state != RolloutState.RUNNING.value
            )
        ).scalars()
        for rollout_id in list(old):
            connection.execute(delete(rollout_targets).where(rollout_targets.c.rollout_id == rollout_id))
            connection.execute(delete(rollouts).where(rollouts.c.id == rollout_id))


def _became(newest: Any, body_digest: str, *, late: bool) -> tuple[TargetState, str]:
    """Return how a target stands by the newest document of its gateway."""
    if newest is None or newest.body_digest != body_digest:
        return TargetState.FAILED, "another configuration was pushed to it since"
    state = State(newest.state)
    if state is State.IN_FORCE:
        return TargetState.IN_FORCE, ""
    waits = state in (*OPEN, State.STORED) or (state is State.REFUSED and newest.refusal in RETRIED)
    if not waits:
        return TargetState.FAILED, newest.reason
    if late:
        return TargetState.ABSENT, newest.reason or "it has not answered"
    return TargetState.PUSHED, ""
