"""Plans what people are told and writes it down, messages and memory in one transaction."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy import insert as plain_insert

from collector.database import insert
from collector.telling.facts import IncidentFacts, Incidents, Kind, PersonTold, State, Told
from collector.telling.packing import HOUR_MS, Sent
from collector.telling.people import Directory, Person
from collector.telling.planning import Message, Plan, message_id, plan
from collector.telling.settings import TellingRules
from collector.telling.tables import message_incidents, messages, telling_mark, told
from collector.telling.texts import Text, Writer

LOOKED_AT_ONCE_MAX = 10_000
"""Incidents a plan: what one summary stands for at most."""
ROWS_AT_ONCE = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what it was made of.

    ``from_row`` and ``upto_row``: the newest incident that was looked at, before and now. ``gone`` are ids of
    incidents that are no longer there.
    """

    plan: Plan
    facts: dict[str, IncidentFacts]
    from_row: int
    upto_row: int
    gone: list[str]

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not (self.plan.messages or self.plan.told or self.gone or self.upto_row != self.from_row)


class TellingBook:
    """Reads incidents, plans, writes; only it writes whom was told what."""

    def __init__(self, incidents: Incidents, writer: Writer, rules: TellingRules, *, zone: tzinfo) -> None:
        """``incidents`` is where they are read."""
        self._incidents, self._writer, self._rules, self._zone = incidents, writer, rules, zone

    def plan(self, connection: Connection, directory: Directory, now_ms: int) -> Planned:
        """Plan what is due now; nothing is written."""
        upto_row = _mark(connection, self._incidents.newest_row(connection))
        new = self._incidents.news(connection, upto_row, LOOKED_AT_ONCE_MAX)
        ids = dict.fromkeys(_due(connection, now_ms, LOOKED_AT_ONCE_MAX))
        ids |= dict.fromkeys(self._incidents.changed(connection, LOOKED_AT_ONCE_MAX))
        wanted = list(ids)[: LOOKED_AT_ONCE_MAX - len(new)]
        facts = {each.id: each for each in new}
        for some in _pieces(wanted):
            facts |= {each.id: each for each in self._incidents.by_id(connection, some)}
        made = plan(
            list(facts.values()),
            _told(connection, list(facts)),
            directory,
            self._rules,
            now_ms,
            sent=_sent(connection, now_ms),
            zone=self._zone,
        )
        gone = [each for each in wanted if each not in facts]
        return Planned(made, facts, upto_row, max((each.row for each in new), default=upto_row), gone)

    def keep(self, connection: Connection, planned: Planned, directory: Directory) -> None:
        """Write a plan: its messages, to be sent, and what was told by it."""
        statement = insert(connection, telling_mark).values(only=1, incident_row=planned.upto_row)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["only"], set_={"incident_row": planned.upto_row})
        )
        _keep_told(connection, planned.plan.told)
        for some in _pieces(planned.gone):
            connection.execute(
                update(told).where(told.c.incident_id.in_(some)).values(done=True, due_ms=None)
            )
        for message in planned.plan.messages:
            person = directory.person(message.person)
            if person:
                text = self._writer.text(message, planned.facts, person.language)
                _keep_message(connection, message, person, text)

    def test(self, connection: Connection, person: Person, who: str, now_ms: int, new_id: str) -> str:
        """Write a test message to somebody, on their first channel; return its id."""
        text = self._writer.test(who, now_ms, person.language)
        row = _row(new_id, person, person.channels[0].channel, text, now_ms)
        row |= {"kind": str(Kind.TEST), "reason": f"asked for by {who}"[:500]}
        connection.execute(plain_insert(messages).values(row))
        return new_id


def _keep_message(connection: Connection, message: Message, person: Person, text: Text) -> None:
    """Write one message; of the highest priority one for each channel."""
    channels = [reach.channel for reach in person.channels]
    for number, channel in enumerate(channels if message.highest else channels[:1]):
        identity = message_id(f"{message.id}|{channel}") if number else message.id
        row = _row(identity, person, channel, text, message.at_ms) | {
            "incident_id": message.incident_id,
            "alarm": message.alarm,
            "kind": str(message.kind),
            "highest": message.highest,
            "reason": message.reason[:500],
        }
        statement = insert(connection, messages).values(row).on_conflict_do_nothing(index_elements=["id"])
        if connection.execute(statement).rowcount:
            about = [
                {
                    "message_id": identity,
                    "incident_id": item.incident_id,
                    "alarm": item.alarm,
                    "kind": str(item.kind),
                }
                for item in message.items
            ]
            for some in _pieces(about):
                connection.execute(plain_insert(message_incidents), some)


def _row(identity: str, person: Person, channel: str, text: Text, now_ms: int) -> Row:
    return {
        "id": identity,
        "incident_id": "",
        "alarm": "",
        "person": person.name,
        "channel": channel,
        "kind": "",
        "highest": False,
        "state": str(State.WAITING),
        "attempts": 0,
        "on_channel": 0,
        "tried": "",
        "next_ms": now_ms,
        "at_ms": now_ms,
        "settled_ms": None,
        "reason": "",
        "subject": text.subject,
        "body": text.body,
        "digest": hashlib.sha256(f"{text.subject}\n{text.body}".encode()).hexdigest(),
    }


def _mark(connection: Connection, newest_row: int) -> int:
    """Return up to which incident each was looked at; one beyond all there are is of incidents that are gone.

    Then it is looked at all of them: what is remembered of them decides who is told.
    """
    found: int = connection.execute(select(telling_mark.c.incident_row)).scalar() or 0
    return found if found <= newest_row else 0


def _due(connection: Connection, now_ms: int, count_max: int) -> list[str]:
    query = select(told.c.incident_id).where(told.c.due_ms <= now_ms).order_by(told.c.due_ms).limit(count_max)
    return list(connection.scalars(query))


def _told(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], Told]:
    found = {}
    for some in _pieces(ids):
        for row in connection.execute(select(told).where(told.c.incident_id.in_(some))):
            values = dict(row._mapping)
            people = {name: PersonTold(*was) for name, was in json.loads(values.pop("people")).items()}
            each = Told(**values, people=people)
            found[each.key] = each
    return found


def _keep_told(connection: Connection, changed: Sequence[Told]) -> None:
    names = [column.name for column in told.columns]
    rows = [
        {name: getattr(each, name) for name in names} | {"people": json.dumps(each.people)}
        for each in changed
    ]
    if not rows:
        return
    statement = insert(connection, told)
    key = ["incident_id", "alarm"]
    new = {name: statement.excluded[name] for name in names if name not in key}
    for some in _pieces(rows):
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=new), some)


def _sent(connection: Connection, now_ms: int) -> dict[str, list[Sent]]:
    """Return what counts against budgets: a message on several channels or tried again is one."""
    query = select(messages.c.person, messages.c.at_ms, messages.c.kind).where(
        messages.c.at_ms > now_ms - HOUR_MS, ~messages.c.highest, messages.c.kind != Kind.TEST
    )
    found: dict[str, list[Sent]] = {}
    for person, at_ms, kind in connection.execute(query):
        found.setdefault(person, []).append(Sent(at_ms, kind == Kind.SUMMARY))
    return found


def _pieces(whole: "Sequence[Any]") -> "Iterator[Sequence[Any]]":
    for begin in range(0, len(whole), ROWS_AT_ONCE):
        yield whole[begin : begin + ROWS_AT_ONCE]
