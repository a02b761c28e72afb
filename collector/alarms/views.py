"""What the interface says of alarms' life. Times are UTC milliseconds by the centre's clock, but for two."""

import json
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from collector.alarms import silences
from collector.alarms.labels import labels_of
from collector.alarms.silences import Silence, SilenceState
from collector.alarms.standings import standing_of
from collector.alarms.transitions import Phase, Shelving
from contract.events import Priority
from contract.limits import NAME_CHARACTERS_MAX, TIME_MS_MAX

Version = Annotated[int | None, Field(default=None, ge=0, le=2**53)]
NO_NUL = "^[^\\x00]*$"
"""PostgreSQL holds everything but this."""
Comment = Annotated[str, Field(default="", max_length=500, pattern=NO_NUL)]


class List(StrEnum):
    """The lists that operators have; what is shelved, suppressed or out of service is in these alone."""

    ACTIVE = "active"
    UNACKED = "unacked"
    LATCHED = "latched"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class SetAsideView(BaseModel):
    """Who keeps an alarm quiet: ``what`` is shelved, out_of_service or suppressed/REASON."""

    what: str
    by: str
    at_ms: int
    comment: str


class ConditionView(BaseModel):
    """An alarm source and where it stands.

    ``state`` is ISA-18.2's, ``active`` to ``out_of_service`` are OPC UA's, independent of each other.
    ``suppressed`` are reasons; ``silenced`` is the id of a silence, or empty. ``source_active`` differs
    from ``active`` while it chatters. ``raised_ms`` and ``cleared_ms`` are by the gateway's clock.
    ``changed_by`` did ``change``, the last one; ``version`` is to be given back with the next.
    """

    row: int
    gateway: str
    rule: str
    device: str
    point: str
    condition: str
    alarm_id: str
    problem: str
    priority: Priority
    part: str
    line: str
    area: str
    message: str
    state: Phase
    active: bool
    source_active: bool
    acked: bool
    acked_by: str | None
    acked_ms: int | None
    latched: bool
    shelving: Shelving
    shelved_until_ms: int | None
    suppressed: list[str]
    out_of_service: bool
    set_aside: list[SetAsideView]
    silenced: str
    chattering_since_ms: int | None
    raised_ms: int
    cleared_ms: int | None
    activated_ms: int
    annunciated_ms: int | None
    occurrences: int
    changed_ms: int
    changed_by: str
    change: str
    version: int


def condition_view(row: Row[Any], silenced: Collection[Silence]) -> ConditionView:
    """Return the view of a row; ``silenced`` are the silences that hold now."""
    told = dict(row._mapping)
    set_aside = [{"what": what} | entry for what, entry in json.loads(row.set_aside).items()]
    told |= {
        "state": standing_of(row).phase,
        "suppressed": json.loads(row.suppressed),
        "set_aside": set_aside,
        "silenced": silences.silencing(silenced, labels_of(row)),
    }
    return ConditionView.model_validate({name: told[name] for name in ConditionView.model_fields})


class Told(BaseModel):
    """What goes with everything that somebody does; ``version`` is that of what they have seen."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    comment: Comment


class Shelve(Told):
    """For so long, or until it returns to normal (and no longer than shelve_max_h)."""

    for_s: float | None = Field(default=None, ge=1, le=31 * 86_400)
    one_shot: bool = False


class Suppress(Told):
    """Why: a name; of the highest priority only "maintenance" is."""

    reason: str = Field(
        default="maintenance", pattern="^[a-z0-9][a-z0-9_:-]*$", max_length=NAME_CHARACTERS_MAX
    )


class SilenceRequest(BaseModel):
    """``matchers`` as ``gateway="gw-1"``, with =, !=, =~ or !~; all must hold. ends_at_ms or for_s."""

    model_config = ConfigDict(extra="forbid")

    matchers: list[Annotated[str, Field(min_length=1, max_length=600)]] = Field(min_length=1, max_length=20)
    starts_at_ms: int | None = Field(default=None, ge=0, le=TIME_MS_MAX)
    ends_at_ms: int | None = Field(default=None, ge=0, le=TIME_MS_MAX)
    for_s: float | None = Field(default=None, ge=1, le=31 * 86_400)
    comment: str = Field(min_length=1, max_length=500, pattern=NO_NUL)


class SilenceView(BaseModel):
    """A silence; it holds from ``starts_at_ms`` up to ``ends_at_ms``."""

    row: int
    id: str
    matchers: list[str]
    starts_at_ms: int
    ends_at_ms: int
    created_by: str
    created_ms: int
    comment: str
    state: SilenceState


def silence_view(row: Row[Any], now_ms: int) -> SilenceView:
    """Return the view of a row."""
    told = dict(row._mapping)
    told |= {
        "matchers": json.loads(row.matchers),
        "state": silences.state_of(row.starts_at_ms, row.ends_at_ms, now_ms),
    }
    return SilenceView.model_validate({name: told[name] for name in SilenceView.model_fields})
