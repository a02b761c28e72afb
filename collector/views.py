"""What the API answers. Times are UTC milliseconds, ages seconds, units of measure UCUM."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from collector.cases.life import Stage
from collector.cases.outgoing import Posting
from contract.events import Priority
from contract.samples import ClockState, Quality

Item = TypeVar("Item")
PlainValue = bool | int | float | str | None


class Page(BaseModel, Generic[Item]):
    """Some items; ``next`` is the ``cursor`` of the request for the following ones, null at the end."""

    items: list[Item]
    next: str | None


class TitleView(BaseModel):
    """A name in two languages."""

    en: str
    zh: str


class GatewayView(BaseModel):
    """A gateway; null where it never said. ``online`` is its will's word, ``clock`` its last hello's."""

    gateway: str
    online: bool | None
    state_ms: int | None
    heard_ms: int
    hello_ms: int | None
    sent_ms: int | None
    boot_id: str | None
    software: str | None
    clock: ClockState | None


class DeviceView(BaseModel):
    """A device as its gateway knows it; ``part`` is the city part it watches, or empty."""

    gateway: str
    device: str
    profile: str
    line: str
    title: str
    part: str


class PointView(BaseModel):
    """The newest value of a point; ``value`` is null where nothing could be read, and ``error`` says why."""

    gateway: str
    device: str
    point: str
    time_ms: int
    age_s: float
    value: PlainValue
    quality: Quality
    error: str
    clock: ClockState
    unit: str | None
    title: TitleView | None


class SampleView(BaseModel):
    """One sample of a history."""

    time_ms: int
    value: PlainValue
    quality: Quality
    error: str
    clock: ClockState


class LiveSampleView(SampleView):
    """One newest value of a gateway."""

    device: str
    point: str


class LiveView(BaseModel):
    """The data of one live event: what changed since the one before."""

    items: list[LiveSampleView]


class AlarmView(BaseModel):
    """An alarm; ``raised_ms`` is null where only its return to normal has arrived.

    ``planned``: it was raised while its device was under maintenance; it makes no case.
    """

    gateway: str
    id: str
    rule: str
    device: str
    point: str
    problem: str
    priority: Priority
    message: str
    part: str
    condition: str
    planned: bool
    value: PlainValue
    limit: float | None
    clock: ClockState
    active: bool
    raised_ms: int | None
    cleared_ms: int | None
    received_ms: int
    backfill: bool
    case_id: str | None


class PostingView(BaseModel):
    """Where a case stands on its way to the city platform: its first message not done, else its last."""

    state: Posting
    attempts: int
    next_ms: int
    reason: str


class CaseView(BaseModel):
    """A case; ``alarms`` are the ids of its newest alarms, ``alarm_count`` counts them all.

    ``warnings`` are what is doubtful about its deadline; ``limit_words`` is the limit, as "4 working_hours".
    ``waits_for`` is ``confirmation``, ``decision`` or empty. ``closed_how`` is ``person``, ``platform``,
    ``sensor``, ``voided`` or ``merged``. ``settles_ms``: its alarms are over, and if they stay so until then,
    it goes on to verification. ``recheck_ms``: it was closed with alarms active, which are looked at then.
    """

    id: str
    number: str
    stage: Stage
    problem: str
    class_code: str
    title: TitleView
    description: str
    gateway: str
    device: str
    part: str
    part_name: str
    lon: float | None
    lat: float | None
    grid: str
    in_charge: str
    owner: str
    maintainer: str
    opened_ms: int
    filed_ms: int | None
    deadline_ms: int
    limit_words: str
    warnings: list[TitleView]
    open: bool
    overdue: bool
    stage_ms: int
    severity: str
    urgent: bool
    area: str
    street: str
    incident_id: str
    dispatched_to: str
    rework_count: int
    redispatch_count: int
    extension_count: int
    asked_deadline_ms: int | None
    waits_for: str
    confirm_until_ms: int | None
    closed_ms: int | None
    closed_by: str
    closed_how: str
    merged_into: str
    repeat_of: str
    settles_ms: int | None
    recheck_ms: int | None
    version: int
    version_of_tables: int
    platform_number: str
    posting: PostingView | None
    alarms: list[str]
    alarm_count: int


class GapView(BaseModel):
    """What will never arrive; sequences 0 and ``count`` null where nobody can know."""

    id: int
    gateway: str
    origin: str
    reason: str
    epoch: str
    lane: str
    first_sequence: int
    last_sequence: int
    from_ms: int
    to_ms: int
    count: int | None
    recorded_ms: int


class IndexView(BaseModel):
    """Where everything is; paths."""

    description: str = "/openapi.json"
    health: str = "/healthz"
    metrics: str = "/metrics"
    lists: list[str]


class RefusalView(BaseModel):
    """Why a request is refused: a sentence, or each parameter that is out of bounds."""

    detail: str | list[dict[str, Any]]


class HealthView(BaseModel):
    """``ok``, or ``failing`` with everything that is stuck.

    ``sign_in`` false: there are no users, so that whoever is on this machine may do everything.
    """

    status: Literal["ok", "failing"]
    reasons: list[str]
    sign_in: bool
