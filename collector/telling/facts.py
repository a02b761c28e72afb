"""What telling knows of an incident, and keeps of whom it told. Times are UTC milliseconds."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from contract.events import Priority

RANKS = {priority: rank for rank, priority in enumerate(Priority)}
"""Low to highest, by number."""


class Kind(StrEnum):
    """What a message is for."""

    FIRST = "first"
    UPDATE = "update"
    ESCALATION = "escalation"
    ALL_CLEAR = "all_clear"
    SUMMARY = "summary"
    TEST = "test"


class State(StrEnum):
    """Where a message stands; the last four are ends."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    PERHAPS_SENT = "perhaps_sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class HighestAlarm:
    """A member of the highest priority: it is told by itself. ``key`` is gateway/id."""

    key: str
    at_ms: int
    active: bool = True
    quiet: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """An incident as telling sees it.

    ``quiet`` says why nobody is to be told of any of its active members now; empty: somebody is. ``position``
    is longitude and latitude in degrees, where they are known. ``merged_into``: it is closed, because its
    members went over to another incident. ``version`` and ``last_ms`` tell whether it changed.
    """

    id: str
    title_en: str
    title_zh: str
    area: str
    problem: str
    priority: Priority
    opened_ms: int
    last_ms: int
    closed_ms: int | None = None
    members: int = 1
    active: int = 1
    acked_ms: int | None = None
    quiet: str = ""
    highest: tuple[HighestAlarm, ...] = ()
    position: tuple[float, float] | None = None
    merged_into: str = ""
    version: int = 0
    row: int = 0


class Incidents(Protocol):
    """Where incidents are read; what each answers is in the order of their rows."""

    def news(self, connection: Connection, after_row: int, count_max: int) -> list[IncidentFacts]:
        """Return those that began after this row."""

    def newest_row(self, connection: Connection) -> int:
        """Return the row of the newest; 0 where there is none."""

    def changed(self, connection: Connection, count_max: int) -> list[str]:
        """Return the ids of those that are not as they were looked at."""

    def by_id(self, connection: Connection, ids: Collection[str]) -> list[IncidentFacts]:
        """Return these, as far as they are there."""


class PersonTold(NamedTuple):
    """What one person was told of a subject: when first and last, in how many messages, and as it stood."""

    first_ms: int
    last_ms: int
    messages: int
    rank: int
    members: int
    repeats: int = 0
    clear: bool = False

    @property
    def held(self) -> bool:
        """Say whether they are yet to be told."""
        return not self.first_ms


@dataclass(frozen=True, slots=True)
class Told:
    """Where telling stands with a subject: an incident, or one highest alarm of it (``alarm`` is its key).

    ``step`` of the escalation was reached at ``step_ms``; -1: none. ``version`` and ``seen_ms`` (its last_ms)
    say as what the incident was looked at, ``due_ms`` when to look again though nothing changed; None: never.
    """

    incident_id: str
    alarm: str = ""
    step: int = -1
    step_ms: int = 0
    repeats: int = 0
    version: int = -1
    seen_ms: int = 0
    due_ms: int | None = 0
    done: bool = False
    reason: str = ""
    people: dict[str, PersonTold] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Return which subject it is."""
        return self.incident_id, self.alarm
