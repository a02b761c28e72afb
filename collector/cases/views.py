"""What the interface answers of a case's life. Times are UTC milliseconds; of a stage, how long it lasted."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.cases.life import Stage, Step
from collector.cases.settings import Area, CaseClass
from collector.views import CaseView, PlainValue
from contract.events import Priority
from contract.limits import TIME_MS_MAX

TimeMs = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]
Note = Annotated[str, Field(max_length=500)]


class StageView(BaseModel):
    """One entry into a stage; ``for_ms`` is how long it stayed there, of the present one until now."""

    n: int
    stage: Stage
    step: str
    at_ms: int
    for_ms: int
    who: str
    role: str
    department: str
    note: str
    reason: str


class CaseEventView(BaseModel):
    """What happened to a case beside its stages.

    ``kind``: raised, attached, evidence, settled, still_active, redispatched, extension_asked, extended,
    extension_refused, confirmation_asked, confirmation, overdue, merged, merged_into, repeats, accepted.
    """

    at_ms: int
    kind: str
    who: str
    detail: dict[str, Any]


class CaseAlarmView(BaseModel):
    """An alarm of a case."""

    gateway: str
    id: str
    device: str
    point: str
    problem: str
    priority: Priority
    message: str
    value: PlainValue
    limit: float | None
    active: bool
    raised_ms: int | None
    cleared_ms: int | None
    received_ms: int


class SimilarView(BaseModel):
    """A case that may be the same problem; nobody merges them but a person."""

    id: str
    number: str
    stage: Stage
    part: str
    distance_m: float
    apart_ms: int


class CaseLifeView(CaseView):
    """A case with its life; lists hold the newest, ``steps`` is what whoever asks may do with it now."""

    stages: list[StageView]
    events: list[CaseEventView]
    case_alarms: list[CaseAlarmView]
    similar: list[SimilarView]
    active_alarms: int
    steps: list[Step]


PersonStep = Literal[
    "file",
    "dispatch",
    "take_in_hand",
    "report",
    "verify",
    "return_for_rework",
    "evaluate",
    "redispatch",
    "ask_extension",
    "extend",
    "refuse_extension",
    "void",
    "merge",
]


class StepRequest(BaseModel):
    """What is said with a step. ``other`` is the case that this one is merged into.

    ``version`` is that of the case as it was seen: where it has changed since, the step is refused.
    """

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    note: Note = ""
    reason: Note = ""
    department: str = Field(default="", max_length=200)
    deadline_ms: TimeMs | None = None
    other: str = Field(default="", pattern="^([0-9a-f]{32})?$")


class ConfirmationRequest(BaseModel):
    """An inspector's answer, and where they stood."""

    model_config = ConfigDict(extra="forbid")

    is_there: bool
    lon: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    lat: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    note: Note = ""


class CaseClassView(BaseModel):
    """A class in force; ``source`` is ``settings`` until people change it here, then ``desk``."""

    version: int
    source: str
    entry: CaseClass


class CaseClassRequest(BaseModel):
    """A class as it is to be; ``version`` of the classes as they were seen."""

    model_config = ConfigDict(extra="forbid")

    entry: CaseClass
    version: int | None = Field(default=None, ge=0, le=2**31 - 1)


class ClassVersionView(BaseModel):
    """Who changed the classes, when and which."""

    version: int
    at_ms: int
    who: str
    what: str


class NoCollectionRequest(BaseModel):
    """A time and area of which nothing is collected. Minutes are of the local day, the end excluded."""

    model_config = ConfigDict(extra="forbid")

    area: Area = ""
    problem: str = Field(default="", max_length=64)
    from_ms: TimeMs
    until_ms: TimeMs | None = None
    daily_from_min: int | None = Field(default=None, ge=0, lt=1440)
    daily_until_min: int | None = Field(default=None, ge=0, le=1440)
    reason: str = Field(min_length=1, max_length=500)


class NoCollectionView(BaseModel):
    """A rule; ``hits`` counts the alarms that made no case because of it."""

    id: str
    area: str
    problem: str
    from_ms: int
    until_ms: int | None
    daily_from_min: int | None
    daily_until_min: int | None
    reason: str
    who: str
    made_ms: int
    ended_ms: int | None
    hits: int
    hit_ms: int | None


class UncollectedView(BaseModel):
    """An alarm that made no case; ``waits``: it is active, and makes one once no rule is in the way."""

    gateway: str
    alarm_id: str
    rule_id: str
    at_ms: int
    waits: bool
