"""The rim: messages leave, each written before it is sent and settled after. What failed is tried again."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from sqlalchemy import Connection, Row, select, update

from collector.database import Database
from collector.patience import Patiences
from collector.telling.facts import State
from collector.telling.outgoing import Accepted, Answer, Channel, Outgoing, Refused
from collector.telling.people import Directory
from collector.telling.settings import SendingRules
from collector.telling.tables import messages
from collector.telling.verdicts import Attempted, Verdict, interrupted, judge

_log = logging.getLogger(__name__)

GONE = "nobody of that name, or not on this channel, is left in the people file"


class ChannelWatch(Protocol):
    """Hears, in the transaction that settles a message, that a channel fails or works."""

    def failing(self, connection: Connection, channel: str, reason: str) -> None:
        """It failed too often in a row."""

    def working(self, connection: Connection, channel: str) -> None:
        """It took a message, for the first time since it failed or since the start."""


@dataclass
class _Health:
    """How a channel does: failures in a row; until when it is not waited for; whether it was told to work."""

    failures: int = 0
    dead_until_ms: int = 0
    known_to_work: bool = False


@dataclass(frozen=True, slots=True)
class _Claimed:
    row: Row[Any]
    address: str | None
    others: tuple[str, ...] = field(default=())


class Sender:
    """Sends what is due, the highest priority first, so many at once."""

    def __init__(
        self,
        state: Database,
        rules: SendingRules,
        link: Callable[[str], str],
        watch: ChannelWatch,
        *,
        now_ms: Callable[[], int],
        random: Random,
        patiences: Patiences,
    ) -> None:
        """``link`` returns the page of an incident."""
        self._state, self._rules, self._link, self._watch = state, rules, link, watch
        self._now_ms, self._random, self._patiences = now_ms, random, patiences
        self._health: dict[str, _Health] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def recover(self) -> None:
        """Settle what was being sent when the centre ended."""
        await self._state.write(self._recover)

    async def send_due(
        self, directory: Directory, channels: Mapping[str, Channel], tasks: asyncio.TaskGroup
    ) -> bool:
        """Begin to send what is due and has a free place, each in a task; return whether anything was due."""
        free = self._rules.concurrency_max - len(self._under_way)
        if free < 1 or not await self._state.read(lambda connection: self._due(connection, 1)):
            return False
        claimed = await self._state.write(lambda connection: self._claim(connection, directory, free))
        for each in claimed:
            task = tasks.create_task(self._send(each, channels))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return True

    def _due(self, connection: Connection, count_max: int) -> list[Row[Any]]:
        query = (
            select(messages)
            .where(messages.c.state == State.WAITING, messages.c.next_ms <= self._now_ms())
            .order_by(messages.c.highest.desc(), messages.c.next_ms, messages.c.row)
            .limit(count_max)
        )
        return list(connection.execute(query))

    def _claim(self, connection: Connection, directory: Directory, count_max: int) -> list[_Claimed]:
        """Mark what will be sent before it is sent, so that an interruption is known as one."""
        claimed = []
        for row in self._due(connection, count_max):
            person = directory.person(row.person)
            reaches = {reach.channel: reach.address for reach in person.channels} if person else {}
            tried = {*row.tried.split(), row.channel}
            others = tuple(name for name in reaches if name not in tried)
            gone = row.channel not in reaches  # the people file was edited
            if others and not row.highest and (gone or self._is_dead(row.channel)):
                _move(connection, row, others[0])
            elif row.channel not in reaches:
                self._end(connection, row.id, Verdict(State.FAILED, GONE))
            else:
                counts = {"attempts": row.attempts + 1, "on_channel": row.on_channel + 1}
                _set(connection, row.id, state=str(State.SENDING), **counts)
                claimed.append(_Claimed(row, reaches[row.channel], others))
        return claimed

    async def _send(self, claimed: _Claimed, channels: Mapping[str, Channel]) -> None:
        """Send one and settle it; nothing that goes wrong with it may end the others, or the centre."""
        row, channel = claimed.row, channels.get(claimed.row.channel)
        answer: Answer = Refused("the channels file has no such channel", lasting=True)
        if channel:
            try:
                answer = await channel.send(self._outgoing(claimed))
            except Exception as error:
                answer = _raised(row, error)
        patience = self._patiences.of("the noting of messages to people")
        while True:
            try:
                await self._state.write(lambda connection: self._settle(connection, claimed, answer))
            except Exception as error:
                await asyncio.sleep(patience.failed(error))
            else:
                patience.worked()
                return

    def _outgoing(self, claimed: _Claimed) -> Outgoing:
        row, link = claimed.row, self._link(claimed.row.incident_id)
        address = claimed.address or ""
        return Outgoing(row.id, address, row.subject, row.body, link, row.incident_id, row.highest)

    def _settle(self, connection: Connection, claimed: _Claimed, answer: Answer) -> None:
        row, now_ms = claimed.row, self._now_ms()
        dead = self._noted(connection, row.channel, answer, now_ms)
        attempted = Attempted(row.highest, row.at_ms, row.attempts + 1, row.on_channel + 1, claimed.others)
        verdict = judge(attempted, answer, self._rules, dead=dead, now_ms=now_ms, random=self._random)
        if verdict.state is not State.WAITING:
            self._end(connection, row.id, verdict)
            return
        next_ms = now_ms + round(verdict.wait_s * 1000)
        reason = verdict.reason[:500]
        _set(connection, row.id, state=str(State.WAITING), reason=reason, next_ms=next_ms)
        if verdict.channel:
            _move(connection, row, verdict.channel)

    def _is_dead(self, channel: str) -> bool:
        """Say whether a channel failed too often to be waited for; now and then one message tries it."""
        health, now_ms = self._health.get(channel), self._now_ms()
        if health is None or health.failures < self._rules.channel_failures_max:
            return False
        if now_ms >= health.dead_until_ms:
            health.dead_until_ms = now_ms + round(self._rules.channel_retry_s * 1000)
            return False
        return True

    def _noted(self, connection: Connection, channel: str, answer: Answer, now_ms: int) -> bool:
        """Note how the channel does, tell who watches; return whether it counts as dead."""
        health = self._health.setdefault(channel, _Health())
        if isinstance(answer, Accepted):
            if not health.known_to_work:
                self._watch.working(connection, channel)
            self._health[channel] = _Health(known_to_work=True)
            return False
        if answer.lasting:
            return False  # of this message, not of the channel
        health.failures += 1
        health.dead_until_ms = now_ms + round(self._rules.channel_retry_s * 1000)
        if health.failures == self._rules.channel_failures_max:
            health.known_to_work = False
            self._watch.failing(connection, channel, answer.reason)
            _log.warning("channel %s fails: %s", channel, answer.reason)
        return health.failures >= self._rules.channel_failures_max

    def _end(self, connection: Connection, message_id: str, verdict: Verdict) -> None:
        _set(
            connection,
            message_id,
            state=str(verdict.state),
            settled_ms=self._now_ms(),
            **({"reason": verdict.reason[:500]} if verdict.reason else {}),
        )

    def _recover(self, connection: Connection) -> None:
        query = select(messages.c.id, messages.c.highest).where(messages.c.state == State.SENDING)
        for message_id, highest in connection.execute(query).all():
            verdict = interrupted(highest=highest)
            if verdict.state is State.WAITING:
                _set(connection, message_id, state=str(verdict.state), reason=verdict.reason)
            else:
                self._end(connection, message_id, verdict)


def _raised(row: Row[Any], error: Exception) -> Refused:
    """Return a mistake of ours as an answer. What it says itself may hold a secret and is told nowhere."""
    kind, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    _log.error("message %s cannot be sent over channel %s (%s):\n%s", row.id, row.channel, kind, where)
    return Refused(
        f"cannot be sent over this channel as it is ({kind}); the centre's log has more", lasting=True
    )


def _move(connection: Connection, row: Row[Any], channel: str) -> None:
    """Go on over another channel of the same person."""
    tried = f"{row.tried} {row.channel}".strip()[:500]
    _set(connection, row.id, channel=channel, on_channel=0, tried=tried)


def _set(connection: Connection, message_id: str, **values: Any) -> None:
    connection.execute(update(messages).where(messages.c.id == message_id).values(**values))
