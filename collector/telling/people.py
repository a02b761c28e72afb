"""People, how they are reached, and who is on call: a file of its own, edited while the centre runs."""

from collections.abc import Iterator
from datetime import date, time
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from contract.events import Priority
from toml_files import Problem, Strict, TomlFile, TomlFileError, name_field

EXAMPLE = Path(__file__).with_name("people.example.toml")
PEOPLE_MAX = 500
ON_CALL_MAX = 200
LEVELS_MAX = 8

PersonName = Annotated[str, name_field(r"^[a-z0-9][a-z0-9_-]*\Z", 64)]
ChannelName = Annotated[str, name_field(r"^[a-z0-9][a-z0-9_-]*\Z", 48)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class Hours(Strict):
    """From one local time to another, over midnight where the second is earlier; a day where they are alike.

    A night belongs to the day on which it begins.
    """

    from_: str = Field(
        alias="from", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", json_schema_extra={"form": "HH:MM"}
    )
    to: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", json_schema_extra={"form": "HH:MM"})
    weekdays: list[Weekday] = Field(default=list(WEEKDAYS), min_length=1, max_length=7)

    @property
    def begins(self) -> time:
        """Return the first moment."""
        return time.fromisoformat(self.from_)

    @property
    def ends(self) -> time:
        """Return the moment after the last."""
        return time.fromisoformat(self.to)


class Dates(Strict):
    """From one date to another, both included."""

    from_: date = Field(alias="from")
    to: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError("to is before from; exchange them")
        return self


class Reach(Strict):
    """A channel of the channels file, and the address there: a mail address, a telephone number, or none."""

    channel: ChannelName
    address: str = Field(
        default="", max_length=200, pattern=r"^[^\s]*$", json_schema_extra={"form": "no spaces"}
    )


class Person(Strict):
    """Somebody who is told. ``channels`` are tried in this order; the highest priority goes to all."""

    name: PersonName
    title: str = Field(min_length=1, max_length=80)
    language: Literal["en", "zh"] = "zh"
    channels: list[Reach] = Field(min_length=1, max_length=8)
    position: list[float] | None = Field(default=None)
    areas: list[str] = Field(default=[], max_length=64)
    quiet_hours: list[Hours] = Field(default=[], max_length=8)
    messages_per_hour_max: int | None = Field(default=None, ge=1, le=1000)

    @field_validator("position")
    @classmethod
    def _is_a_place(cls, position: list[float] | None) -> list[float] | None:
        if position is not None and not (
            len(position) == 2 and abs(position[0]) <= 180 and abs(position[1]) <= 90
        ):
            raise ValueError("is no place; write [longitude, latitude] in degrees")
        return position


class OnCall(Strict):
    """Who is told of what at which times. Empty lists stand for all; areas of digits for all that begin so.

    ``levels`` are told one after the other until somebody acknowledges. ``nearest`` divides each level: the
    so many nearest are told first, the next ones in the next step; 0 tells a level as a whole.
    """

    name: PersonName
    areas: list[str] = Field(default=[], max_length=200)
    classes: list[str] = Field(default=[], max_length=200)
    priority_min: Literal["low", "medium", "high", "highest"] = "low"
    hours: list[Hours] = Field(default=[], max_length=16)
    dates: list[Dates] = Field(default=[], max_length=64)
    nearest: int = Field(default=0, ge=0, le=100)
    escalate_after_s: float | None = Field(default=None, ge=30, le=7 * 86_400)
    levels: list[list[PersonName]] = Field(min_length=1, max_length=LEVELS_MAX)

    @field_validator("levels")
    @classmethod
    def _somebody_in_each(cls, levels: list[list[str]]) -> list[list[str]]:
        if not all(1 <= len(level) <= 100 for level in levels):
            raise ValueError("a level has 1 to 100 people; remove an empty one")
        return levels

    @property
    def priority(self) -> Priority:
        """Return from which priority on this table is for."""
        return Priority(self.priority_min)


class Directory(Strict):
    """The whole file. ``fallback`` is told where no table is for an incident."""

    schema_version: Literal[1] = Field(alias="schema")
    fallback: list[PersonName] = Field(min_length=1, max_length=20)
    people: list[Person] = Field(min_length=1, max_length=PEOPLE_MAX)
    on_call: list[OnCall] = Field(default=[], max_length=ON_CALL_MAX)

    @cached_property
    def by_name(self) -> dict[str, Person]:
        """Everybody, by name."""
        return {person.name: person for person in self.people}

    def person(self, name: str) -> Person | None:
        """Return somebody by name."""
        return self.by_name.get(name)


def load_people(path: Path) -> Directory:
    """Read the file; TomlFileError lists every mistake with file, line, key and remedy."""
    file = TomlFile.read(path)
    directory = file.parse(Directory)
    if problems := list(_mistakes(directory, file)):
        raise TomlFileError(problems)
    return directory


def _mistakes(directory: Directory, file: TomlFile) -> Iterator[Problem]:
    known: set[str] = set()
    for index, person in enumerate(directory.people):
        if person.name in known:
            what = f"person {person.name!r} is given twice"
            yield file.problem(("people", index, "name"), what, "give each a name of their own")
        known.add(person.name)
    remedy = f"write one of {', '.join(sorted(known))[:300]}, or add them to [[people]]"
    for index, name in enumerate(directory.fallback):
        if name not in known:
            yield file.problem(("fallback", index), f"{name!r} is nobody", remedy)
    tables: set[str] = set()
    for index, table in enumerate(directory.on_call):
        if table.name in tables:
            what = f"table {table.name!r} is given twice"
            yield file.problem(("on_call", index, "name"), what, "give each a name of its own")
        tables.add(table.name)
        for number, level in enumerate(table.levels):
            for name in level:
                if name not in known:
                    key = ("on_call", index, "levels", number)
                    yield file.problem(key, f"{name!r} is nobody", remedy)
