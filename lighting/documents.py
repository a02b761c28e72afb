"""What a gateway is sent: its part of the plan, the overrides and the conditions that hold. JSON texts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from contract.limits import TEXT_CHARACTERS_MAX, TIME_MS_MAX
from lighting.addresses import Addresses
from lighting.checking import mistakes
from lighting.compiling import Fact
from lighting.plan import LAMPS_MAX, Assignment, Cabinet, Level, Name, Plan
from toml_files import Strict, plain_words

OVERRIDES_MAX = 1000
PROBLEMS_TOLD_MAX = 20

TimeMs = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]
Document = TypeVar("Document", bound=BaseModel)


class Override(Strict):
    """By hand, for a time: these lamps at this level. The last one that holds for a lamp wins."""

    lamps: list[Name] = Field(min_length=1, max_length=LAMPS_MAX)
    level: Level
    start_ms: TimeMs
    expiration_ms: TimeMs
    reason: str = Field(min_length=1, max_length=TEXT_CHARACTERS_MAX)

    @model_validator(mode="after")
    def _ends(self) -> "Override":
        if self.expiration_ms <= self.start_ms:
            raise ValueError("ends before it begins; give a later expiration_ms")
        return self


class Overrides(Strict):
    """All overrides of a gateway; what is not among them is over."""

    overrides: list[Override] = Field(default=[], max_length=OVERRIDES_MAX)


class Condition(Strict):
    """A condition of the plan that holds, from when until when."""

    condition: Name
    from_ms: TimeMs
    until_ms: TimeMs

    @model_validator(mode="after")
    def _ends(self) -> "Condition":
        if self.until_ms <= self.from_ms:
            raise ValueError("ends before it begins; give a later until_ms")
        return self


class Conditions(Strict):
    """All conditions that hold for a gateway, or will."""

    conditions: list[Condition] = Field(default=[], max_length=OVERRIDES_MAX)

    @property
    def facts(self) -> list[Fact]:
        """As the compiler takes them."""
        return [Fact(it.condition, it.from_ms, it.until_ms) for it in self.conditions]


class DocumentError(ValueError):
    """A document cannot be used; ``problems`` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep as many as people read."""
        self.problems = list(problems[:PROBLEMS_TOLD_MAX])
        super().__init__("; ".join(self.problems))


def parts_of(plan: Plan) -> dict[str, Plan]:
    """Return what each gateway needs of a sound plan: its own lamps, without groups."""
    calendars_of: dict[str, dict[str, list[str]]] = {cabinet.gateway: {} for cabinet in plan.cabinets}
    for lamp, calendar in Addresses(plan).calendars().items():
        calendars_of[lamp.gateway].setdefault(calendar, []).append(str(lamp))
    return {cabinet.gateway: _part(plan, cabinet, calendars_of[cabinet.gateway]) for cabinet in plan.cabinets}


def part_of(plan: Plan, gateway: str) -> Plan:
    """Return what one gateway needs; ValueError if the plan has none of this name."""
    parts = parts_of(plan)
    if gateway not in parts:
        raise ValueError(f"the plan {plan.name!r} has no cabinet {gateway!r}")
    return parts[gateway]


def _part(plan: Plan, cabinet: Cabinet, lamps_of: Mapping[str, Sequence[str]]) -> Plan:
    calendars = [calendar for calendar in plan.calendars if calendar.id in lamps_of]
    programs = {calendar.default_program for calendar in calendars}
    programs |= {rule.program for calendar in calendars for rule in calendar.rules}
    return Plan(
        schema=plan.schema_version,
        name=plan.name,
        time_zone=plan.time_zone,
        place=plan.place,
        conditions=plan.conditions,
        overrides=plan.overrides,
        programs=[program for program in plan.programs if program.id in programs],
        calendars=calendars,
        cabinets=[cabinet],
        assignments=[
            Assignment(calendar=calendar, addresses=sorted(lamps)) for calendar, lamps in lamps_of.items()
        ],
    )


def written(document: Plan | Overrides | Conditions) -> str:
    """Return the document as JSON."""
    return document.model_dump_json(by_alias=True, exclude_defaults=True)


def read_plan(
    text: str, gateway: str, lamps: Iterable[str], points: Mapping[str, bool] | None = None
) -> Plan:
    """Return the plan for a gateway that has these lamps; DocumentError says all that is wrong.

    ``points`` are those that the gateway reads, each with whether it is on or off only; None: nobody asks.
    """
    plan = read_any_plan(text)
    mine = set(Addresses(plan).lamps_of.get(gateway, ()))
    if not mine:
        raise DocumentError([f"cabinets: the plan has no cabinet {gateway!r}"])
    known = set(lamps)
    problems = [f"cabinets: {gateway} has no lamp {name!r}" for name in sorted(mine - known)]
    problems += [f"cabinets: the lamp {name!r} of {gateway} is in no plan" for name in sorted(known - mine)]
    problems += [] if points is None else _unread(plan, points)
    if problems:
        raise DocumentError(problems)
    return plan


def read_any_plan(text: str) -> Plan:
    """Return a plan that is sound, whatever lamps a gateway has by now; DocumentError otherwise."""
    plan = _read(text, Plan)
    if found := [f"{_dotted(it.key)}: {it.what}; {it.remedy}" for it in mistakes(plan)]:
        raise DocumentError(found)
    return plan


def _unread(plan: Plan, points: Mapping[str, bool]) -> Iterator[str]:
    """Yield what a plan asks of points that the gateway does not read, or that say less than is asked."""
    for name, key in plan.asked.items():
        if name not in points:
            device = name.partition("/")[0]
            there = sorted(point for point in points if point.startswith(f"{device}/"))
            devices = sorted({point.partition("/")[0] for point in points})
            known = f"points of {device} are {_some(there)}" if there else f"devices are {_some(devices)}"
            yield f"{key}: the gateway reads no {name}; {known}"
        elif points[name] and key.endswith(".sensor"):
            yield f"{key}: {name} is on or off, and no measure of light; name a point that is a number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def read_overrides(text: str, lamps: Iterable[str], longest_s: float) -> Overrides:
    """Return the overrides; DocumentError where one names a strange lamp or lasts longer than it may."""
    document, known = _read(text, Overrides), set(lamps)
    problems = []
    for index, override in enumerate(document.overrides):
        if strange := sorted(set(override.lamps) - known):
            problems.append(f"overrides[{index}].lamps: there is no lamp {strange[0]!r} here")
        if override.expiration_ms - override.start_ms > longest_s * 1000:
            problems.append(f"overrides[{index}].expiration_ms: lasts longer than {longest_s:g} s")
    if problems:
        raise DocumentError(problems)
    return document


def read_any_overrides(text: str) -> Overrides:
    """Return the overrides, whatever lamps there are and however long they last; DocumentError otherwise."""
    return _read(text, Overrides)


def read_conditions(text: str) -> Conditions:
    """Return the conditions; those that the plan in force does not name wait for one that does."""
    return _read(text, Conditions)


def _read(text: str, kind: type[Document]) -> Document:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        told = [(details["loc"], plain_words(details, {})) for details in error.errors()]
        raise DocumentError([f"{_dotted(at)}: {what}; {remedy}" for at, (what, remedy) in told]) from error


def _dotted(key: tuple[str | int, ...]) -> str:
    return "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in key).removeprefix(".")
