"""A platform's mapping file: which requests it takes, in whose words, and how it answers. One TOML file.

``mapping.example.toml`` beside this module is its manual.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from collector.platforms import templates
from collector.platforms.protocol import Capabilities
from collector.platforms.signing import Signature
from collector.platforms.templates import Words
from toml_files import Strict

STAGES = ("collected", "filed", "dispatched", "in_hand", "reported", "verified", "evaluated", "voided")
KINDS = ("opened", "stage", "attached", "evidence", "rework", "changed")
FIELDS = frozenset(
    (
        *("id", "number", "key", "n", "kind", "at_ms", "stage", "problem", "description", "platform_number"),
        *("class.code", "class.title.en", "class.title.zh", "part.code", "part.name"),
        *("place.lon", "place.lat", "place.grid", "place.area", "place.street"),
        *("departments.in_charge", "departments.owner", "departments.maintainer"),
        *("source.district", "source.gateway", "source.device", "source.point", "source.alarm"),
        *("source.priority", "raised_ms", "opened_ms", "deadline_ms"),
        *("limit", "severity", "urgent", "stage_ms", "dispatched_to", "closed_ms", "closed_how"),
        *("repeat_of", "merged_into", "version", "step", "note", "reason", "department", "who"),
    )
)
"""What a template may name of a case; beside these, anything under ``detail`` and ``evidence``."""
_FORM = {"form": "letters, digits and -"}


def _path(path: str) -> str:
    if path and not templates.PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no path into JSON; write it as data.items[0].id")
    return path


JsonPath = Annotated[str, Field(max_length=200), AfterValidator(_path)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", json_schema_extra={**_FORM})]
StatusCode = Annotated[int, Field(ge=200, le=599)]
Values = Annotated[list[str], Field(max_length=100)]


class Plain(Strict):
    """No authentication."""

    kind: Literal["none"]


class Bearer(Strict):
    """A token in the header Authorization."""

    kind: Literal["bearer"]


class Basic(Strict):
    """A user and a password, the secret."""

    kind: Literal["basic"]
    user: str = Field(min_length=1, max_length=200)


class ApiKey(Strict):
    """The secret in a header of its own."""

    kind: Literal["header"]
    header: HeaderName = "X-Api-Key"


Authentication = Annotated[Plain | Bearer | Basic | ApiKey | Signature, Field(discriminator="kind")]
CallbackAuthentication = Annotated[ApiKey | Signature, Field(discriminator="kind")]


class Ask(Strict):
    """A request; ``path`` is behind the platform's URL. Path, headers and body are templates."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: str = Field(default="", max_length=500)
    headers: dict[HeaderName, str] = Field(default={}, max_length=20)
    body: dict[str, Any] | None = None
    form: Literal["json", "urlencoded"] = "json"

    @field_validator("path")
    @classmethod
    def _joins(cls, path: str) -> str:
        if path and path[0] not in "/?":
            raise ValueError("begins with / or ?, and stands behind the url of the settings")
        return path


class Key(Strict):
    """What makes a repetition harmless: the platform knows a message by it. Without this, none is."""

    header: str = Field(
        default="Idempotency-Key", pattern=r"^[A-Za-z0-9-]{0,64}$", json_schema_extra={**_FORM}
    )
    """Empty: the key stands in the body, by a template."""


class Answers(Strict):
    """What answers mean: first by HTTP status, then by a code in the body where there is one."""

    code: JsonPath = ""
    success: Values = Field(default=["0"])
    duplicate: Values = Field(default=[])
    not_taken: Values = Field(default=[])
    ambiguous: Values = Field(default=[])
    number: JsonPath = "number"
    message: JsonPath = ""
    not_taken_statuses: list[StatusCode] = Field(default=[401, 403, 407, 408, 425, 429, 503])
    duplicate_statuses: list[StatusCode] = Field(default=[])


class StatusFields(Strict):
    """Where an item tells which case it is of, and how that case stands."""

    id: JsonPath = ""
    case: JsonPath = ""
    number: JsonPath = ""
    stage: JsonPath = "stage"
    time: JsonPath = ""
    time_form: str = Field(default="ms", min_length=1, max_length=50)
    department: JsonPath = ""
    note: JsonPath = ""


class LookUp(Strict):
    """How the platform is asked whether it has a case, ``settle_s`` after a send at the earliest."""

    request: Ask
    number: JsonPath = "number"
    found: JsonPath = ""
    """Where the list of what was found stands: empty or null, it does not have it."""
    absent_statuses: list[StatusCode] = Field(default=[])
    absent: Values = Field(default=[])
    settle_s: float = Field(default=30, ge=0, le=86_400)
    status: StatusFields | None = None


class Poll(Strict):
    """How the platform is asked what happened; ``{cursor}`` is where the page before ended."""

    request: Ask
    items: JsonPath = "items"
    cursor: JsonPath = "next"
    interval_s: float = Field(default=60, ge=0.1, le=86_400)
    status: StatusFields


class Callbacks(Strict):
    """How the platform tells what happened by itself; ``items`` empty: the body is one item."""

    authentication: CallbackAuthentication
    window_s: float = Field(default=300, ge=1, le=86_400)
    items: JsonPath = ""
    status: StatusFields
    answer: dict[str, Any] = Field(default={})


class PlatformMapping(Strict):
    """Everything of one platform that is its own."""

    schema_version: Literal[1] = Field(alias="schema")
    utc_offset_min: int = Field(default=480, ge=-840, le=840)
    authentication: Authentication = Plain(kind="none")
    key: Key | None = None
    messages: dict[Literal[KINDS], Ask] = Field(min_length=1)  # type: ignore[valid-type]
    answers: Answers = Answers()
    look_up: LookUp | None = None
    poll: Poll | None = None
    callbacks: Callbacks | None = None
    codes: dict[str, dict[str, str]] = Field(default={}, max_length=50)
    stages: dict[Literal[STAGES], list[str]] = Field(default={})  # type: ignore[valid-type]

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can, by this file."""
        return Capabilities(
            has_key=self.key is not None,
            can_look_up=self.look_up is not None,
            has_callbacks=self.callbacks is not None,
            can_poll=self.poll is not None,
        )

    @property
    def needs_secret(self) -> bool:
        """Whether requests carry one."""
        return self.authentication.kind != "none"

    def words(self) -> Words:
        """Return what templates translate by."""
        stages: dict[str, str] = {ours: theirs[0] for ours, theirs in self.stages.items() if theirs}
        return Words(self.codes, stages or {stage: stage for stage in STAGES}, self.utc_offset_min)

    def stage_of(self, code: str) -> str:
        """Return our stage for the platform's word; empty where it is unknown."""
        if not self.stages:
            return code if code in STAGES else ""
        return next((ours for ours, theirs in self.stages.items() if code in theirs), "")


def plain_mapping(idempotency_header: str) -> PlatformMapping:
    """Return the mapping of a platform that takes a case as this centre tells it, with one POST."""
    told: dict[str, Any] = {"schema": 1, "messages": {"opened": {"path": ""}}}
    if idempotency_header:
        told["key"] = {"header": idempotency_header}
    return PlatformMapping.model_validate(told)
