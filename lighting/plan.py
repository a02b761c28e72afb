"""A lamp plan as a file: control programs, calendars, cabinets with their lamps, groups, assignments.

Names are those of the TALQ Smart City Protocol 2.7, in the spelling of the house. A night runs from noon to
noon of local time (TALQ's ``dayOffset`` 12) and bears the date of its evening.
"""

import datetime as dt
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from contract.limits import NAME_CHARACTERS_MAX
from contract.names import NAME_PATTERN
from toml_files import Strict, name_field

PROGRAMS_MAX = 200
RULES_MAX = 200
LAMPS_MAX = 20_000
CONTROLS_MAX = 48
OFFSET_MIN_MAX = 240

Name = Annotated[str, name_field(NAME_PATTERN, NAME_CHARACTERS_MAX)]
Level = Annotated[int, Field(ge=0, le=100)]
"""Light output in per cent; 0 is off."""
OffsetMin = Annotated[int, Field(ge=-OFFSET_MIN_MAX, le=OFFSET_MIN_MAX)]

PointName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*$",
        max_length=2 * NAME_CHARACTERS_MAX + 1,
        json_schema_extra={"form": "device/point"},
    ),
]
"""A point of the cabinet itself, ``device/point``."""

Operator = Literal["eq", "ne", "ge", "gt", "le", "lt"]
SolarEventType = Literal["sunrise", "sunset"]
EffectOperation = Literal["set", "max", "min", "add", "sub", "mul"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _of_the_year(text: str) -> str:
    """Refuse a month and day that no year has."""
    try:
        dt.date(2024, *month_day(text))  # a leap year
    except ValueError as error:
        raise ValueError(f"{text} is in no year; write --MM-DD with a day that the month has") from error
    return text


MonthDay = Annotated[
    str,
    Field(pattern=r"^--[0-9]{2}-[0-9]{2}$", json_schema_extra={"form": '"--MM-DD", a day of every year'}),
    AfterValidator(_of_the_year),
]
"""TALQ's gMonthDay: a day of every year."""


def _with_year(value: object) -> str:
    """Tell days of one year from those of every year, so that only what was meant is told of a mistake."""
    written = isinstance(value, str) and not re.match(r"[0-9]{4}-", value)
    return "yearly" if written else "dated"


Day = Annotated[
    Annotated[MonthDay, Tag("yearly")] | Annotated[dt.date, Tag("dated")], Discriminator(_with_year)
]


def month_day(text: str) -> tuple[int, int]:
    """Take ``--MM-DD`` apart."""
    return int(text[2:4]), int(text[5:7])


class Place(Strict):
    """Where the lamps stand, for the sun."""

    latitude_deg: float = Field(ge=-66, le=66)
    longitude_deg: float = Field(ge=-180, le=180)


class AbsoluteActivePeriod(Strict):
    """From one time of day to another; equal times are the whole night, noon to noon."""

    kind: Literal["absolute"]
    start_time: dt.time
    end_time: dt.time


class AstroClockActivePeriod(Strict):
    """From sunset to sunrise, each moved by its offset; what that moves past noon belongs to no night."""

    kind: Literal["astro_clock"]
    sunset_offset_min: OffsetMin = 0
    sunrise_offset_min: OffsetMin = 0


class _LightSensor(Strict):
    sensor: PointName
    on_level: float = Field(ge=0)
    off_level: float = Field(ge=0)


class SensorActivePeriod(_LightSensor):
    """From where a light sensor falls below ``on_level`` until it rises above ``off_level``."""

    kind: Literal["sensor"]


class AstroAndSensorActivePeriod(_LightSensor):
    """Between the moved sunset and sunrise; the sensor may begin it earlier and end it earlier.

    It is heard for ``pc_active_before_sunset_min`` before the moved sunset and for
    ``pc_active_before_sunrise_min`` before the moved sunrise; between the two the period is active anyway.
    """

    kind: Literal["astro_and_sensor"]
    sunset_offset_min: OffsetMin = 0
    sunrise_offset_min: OffsetMin = 0
    pc_active_before_sunset_min: int = Field(ge=0, le=OFFSET_MIN_MAX)
    pc_active_before_sunrise_min: int = Field(ge=0, le=OFFSET_MIN_MAX)


class ValueActivePeriod(Strict):
    """While a point of the cabinet compares so with a value."""

    kind: Literal["value"]
    reference: PointName
    operator: Operator
    state: float


ActivePeriod = Annotated[
    AbsoluteActivePeriod
    | AstroClockActivePeriod
    | SensorActivePeriod
    | AstroAndSensorActivePeriod
    | ValueActivePeriod,
    Field(discriminator="kind"),
]


class FixedTimeControl(Strict):
    """A level from a time of day on, until the next; before a night's first, the former night's last."""

    start_time: dt.time
    level: Level


class AstroClockTimeControl(Strict):
    """From a sunset or sunrise on, changes what the fixed controls say; until the next of these, or noon."""

    solar_event_type: SolarEventType
    offset_min: OffsetMin = 0
    operation: EffectOperation = "set"
    level: Level


class ControlProgram(Strict):
    """What lamps do within a night: off outside of its active periods; without any it is always active."""

    id: Name
    active_periods: list[ActivePeriod] = Field(default=[], max_length=CONTROLS_MAX)
    fixed_time_controls: list[FixedTimeControl] = Field(min_length=1, max_length=CONTROLS_MAX)
    astro_clock_time_controls: list[AstroClockTimeControl] = Field(default=[], max_length=CONTROLS_MAX)


class CalendarRule(Strict):
    """Nights on which a program applies: ``start_date`` to ``end_date``, both included, on some weekdays.

    With ``condition`` only while the centre says that it holds. Days without a year are of every year.
    """

    program: Name
    start_date: Day | None = None
    end_date: Day | None = None
    days: list[Weekday] = Field(default=[], max_length=7)
    condition: Name | None = None

    def applies(self, night: dt.date) -> bool:
        """Say whether the night is one of the rule's, its condition apart."""
        if self.days and WEEKDAYS[night.weekday()] not in self.days:
            return False
        start, end = self.start_date, self.end_date
        if start is None and end is None:
            return True
        if isinstance(start, dt.date) or isinstance(end, dt.date):
            return not (isinstance(start, dt.date) and night < start) and not (
                isinstance(end, dt.date) and night > end
            )
        day = (night.month, night.day)
        first, last = month_day(start or "--01-01"), month_day(end or "--12-31")
        return first <= day <= last if first <= last else day >= first or day <= last


class Calendar(Strict):
    """Which program applies on which night: the first rule that does, else the default."""

    id: Name
    rules: list[CalendarRule] = Field(default=[], max_length=RULES_MAX)
    default_program: Name


class Cabinet(Strict):
    """The lamps of one gateway, by the names its settings give them; ``lamp-{1-8}`` stands for eight."""

    gateway: Name
    place: Place | None = None
    lamps: list[str] = Field(min_length=1, max_length=LAMPS_MAX)


class Group(Strict):
    """Lamps (``gateway/lamp``, ``gateway/*``, ``gateway/lamp-{1-8}``) and other groups (``id``)."""

    id: Name
    members: list[str] = Field(min_length=1, max_length=LAMPS_MAX)


class Assignment(Strict):
    """Which lamps and groups follow a calendar."""

    calendar: Name
    addresses: list[str] = Field(min_length=1, max_length=LAMPS_MAX)


class Overrides(Strict):
    """How long an override lasts where it does not say, and at most."""

    default_s: float = Field(default=2 * 3600, gt=0, le=31 * 86400)
    longest_s: float = Field(default=12 * 3600, gt=0, le=31 * 86400)


class Plan(Strict):
    """The whole file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    time_zone: str = Field(default="Asia/Shanghai", max_length=64)
    place: Place
    conditions: list[Name] = Field(default=[], max_length=100)
    overrides: Overrides = Overrides()
    programs: list[ControlProgram] = Field(min_length=1, max_length=PROGRAMS_MAX)
    calendars: list[Calendar] = Field(min_length=1, max_length=PROGRAMS_MAX)
    cabinets: list[Cabinet] = Field(min_length=1, max_length=LAMPS_MAX)
    groups: list[Group] = Field(default=[], max_length=LAMPS_MAX)
    assignments: list[Assignment] = Field(min_length=1, max_length=LAMPS_MAX)

    @cached_property
    def asked(self) -> Mapping[str, str]:
        """Points that its programs ask, with the key of the first that does."""
        found: dict[str, str] = {}
        for number, program in enumerate(self.programs):
            for index, period in enumerate(program.active_periods):
                for key in ("sensor", "reference"):
                    if point := getattr(period, key, None):
                        found.setdefault(point, f"programs[{number}].active_periods[{index}].{key}")
        return found

    @cached_property
    def program_of(self) -> Mapping[str, ControlProgram]:
        """Programs by id."""
        return {program.id: program for program in self.programs}

    @cached_property
    def calendar_of(self) -> Mapping[str, Calendar]:
        """Calendars by id."""
        return {calendar.id: calendar for calendar in self.calendars}

    @cached_property
    def place_of(self) -> Mapping[str, Place]:
        """Where each cabinet's lamps stand."""
        return {cabinet.gateway: cabinet.place or self.place for cabinet in self.cabinets}
