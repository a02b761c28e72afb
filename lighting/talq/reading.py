"""From TALQ to a plan: what cannot be taken is told, what would make lamps do something else is refused."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from lighting.checking import mistakes
from lighting.plan import Plan
from lighting.talq.names import ASTRO, BEYOND_RULES, DAY_OFFSET, EXTENSION, PERIODS, PROGRAM_TYPE
from lighting.talq.rules import rules_of
from lighting.talq.telling import Json, TalqError, Telling
from toml_files import plain_words

BYTES_MAX = 16 * 1024 * 1024
TABLES = ("services", "controlPrograms", "calendars", "groups", "assignCommands")
STATES = ("FloatState", "IntegerState", "BooleanState", "LevelState")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")


class Imported(NamedTuple):
    """A plan, and what was left out of it or read in a way that people should know of."""

    plan: Plan
    remarks: list[str]


class Frame(NamedTuple):
    """What TALQ has no place for, for objects that were not exported by us.

    ``beyond`` has keys of a plan as JSON: name, time_zone, place, cabinets, and conditions and overrides if
    wanted; they go before those of the extension. ``address_of`` gives for TALQ addresses what we call them:
    ``cabinet/lamp`` or ``cabinet/*`` for lamps, ``device/point`` for sensors and references.
    """

    beyond: Mapping[str, Any] = {}
    address_of: Mapping[str, str] = {}


def imported(data: Mapping[str, Any] | bytes | str, frame: Frame | None = None) -> Imported:
    """Return the plan of TALQ's objects; TalqError lists everything because of which there is none."""
    telling = Telling()
    found = _Reader(telling, frame or Frame()).plan(_object(data))
    if telling.problems:
        raise TalqError(telling.problems)
    try:
        plan = Plan.model_validate_json(json.dumps(found))
    except ValidationError as error:
        told = [(details["loc"], plain_words(details)) for details in error.errors()]
        raise TalqError([f"{_dotted(at)}: {what}; {remedy}" for at, (what, remedy) in told]) from error
    if wrong := mistakes(plan):
        raise TalqError([f"{_dotted(it.key)}: {it.what}; {it.remedy}" for it in wrong])
    return Imported(plan, telling.remarks)


class _Reader:
    """Turns TALQ's objects into keys of a plan."""

    def __init__(self, telling: Telling, frame: Frame) -> None:
        self._telling = telling
        self._frame = frame

    def plan(self, data: Json) -> Json:
        """Return the plan's keys; what is wrong is told."""
        telling = self._telling
        telling.left(data, "", (*TABLES, EXTENSION))
        beyond = telling.table(data.get(EXTENSION, {}), EXTENSION)
        telling.left(beyond, EXTENSION, (*BEYOND_RULES, "schema", "rules"))
        if beyond and beyond.get("schema") != 1:
            telling.refuse(f"{EXTENSION}.schema", f"{beyond.get('schema')!r} is unknown", "export it anew")
        found: Json = {key: beyond[key] for key in BEYOND_RULES if key in beyond} | dict(self._frame.beyond)
        for key in ("name", "time_zone", "place", "cabinets"):
            if key not in found:
                telling.refuse(
                    EXTENSION, f"nothing says the plan's {key}", "give it with a frame, --frame PLAN.toml"
                )
        self._day_offset(data)
        return found | {
            "schema": 1,
            "programs": [self._program(at, it) for at, it in telling.rows(data, "controlPrograms", "")],
            "calendars": self._calendars(data, beyond),
            "groups": [self._group(at, it) for at, it in telling.rows(data, "groups", "")],
            "assignments": [
                row for at, it in telling.rows(data, "assignCommands", "") for row in self._assignment(at, it)
            ],
        }

    def _day_offset(self, data: Json) -> None:
        control = [
            (at, it)
            for at, it in self._telling.rows(data, "services", "")
            if it.get("name") == "ControlService"
        ]
        if not control:
            self._telling.remark("services", "nothing says dayOffset; read as 12, from noon to noon")
        for at, service in control:
            if service.get("dayOffset", 0) != DAY_OFFSET:
                what = "days go from midnight to midnight there (dayOffset is not 12)"
                self._telling.refuse(
                    at, what, "our nights go from noon to noon; write it anew for dayOffset 12"
                )

    def _program(self, at: str, table: Json) -> Json:
        telling = self._telling
        known = ("type", "id", "ownerCMS", "activePeriods", "fixedTimeControls", "astroClockTimeControls")
        telling.left(table, at, known, {"dynamicControls": "sensors that change levels in between"})
        if table.get("type") != PROGRAM_TYPE:
            telling.refuse(f"{at}.type", f"is {table.get('type')!r}", f"only {PROGRAM_TYPE} is for lamps")
        return {
            "id": telling.name("program", table.get("id"), f"{at}.id"),
            "active_periods": [self._period(*row) for row in telling.rows(table, "activePeriods", at)],
            "fixed_time_controls": [
                self._fixed(*row) for row in telling.rows(table, "fixedTimeControls", at)
            ],
            "astro_clock_time_controls": [
                self._astro(*row) for row in telling.rows(table, "astroClockTimeControls", at)
            ],
        }

    def _fixed(self, at: str, table: Json) -> Json:
        self._telling.left(table, at, ("startTime", "command"))
        return {"start_time": self._time(table, "startTime", at), "level": self._level(table, at)}

    def _astro(self, at: str, table: Json) -> Json:
        self._telling.left(table, at, (*ASTRO, "operation", "command"))
        found = {ours: table[name] for name, ours in ASTRO.items() if name in table}
        operation = table.get("operation")
        found["operation"] = operation.lower() if isinstance(operation, str) else operation
        return found | {"level": self._level(table, at)}

    def _time(self, table: Json, key: str, at: str) -> str | None:
        text = table.get(key)
        if isinstance(text, str) and _TIME.fullmatch(text):
            return text
        self._telling.refuse(f"{at}.{key}", f"{text!r} is no time of day", "write hh:mm:ss, local time")
        return None

    def _level(self, table: Json, at: str) -> Any:
        command = self._telling.table(table.get("command"), f"{at}.command")
        ramps = {
            "rampToLevelTime": "lamps go to the level at once",
            "rampFromLevelTime": "lamps go back at once",
        }
        self._telling.left(command, f"{at}.command", ("state",), ramps)
        state = self._telling.table(command.get("state"), f"{at}.command.state")
        if state.get("name") != "LevelState":
            what = f"is a {state.get('name')!r}"
            self._telling.refuse(f"{at}.command.state", what, "lamps of a plan take a LevelState, 0 to 100")
        return state.get("value")

    def _period(self, at: str, table: Json) -> Json:
        name = table.get("name")
        if not isinstance(name, str) or name not in PERIODS:
            self._telling.refuse(
                f"{at}.name", f"{name!r} is no active period", f"one of {', '.join(PERIODS)}"
            )
            return {}
        kind, same = PERIODS[name]
        beside = {"value": ("reference", "operator", "state")}.get(
            kind, ("sensor",) if "onLevel" in same else ()
        )
        self._telling.left(table, at, ("name", *same, *beside))
        found: Json = {"kind": kind}
        for theirs, ours in same.items():
            if ours.endswith("_time"):
                found[ours] = self._time(table, theirs, at)
            elif theirs in table:
                found[ours] = table[theirs]
        if "sensor" in beside:
            found["sensor"] = self._sensor(table, at)
        elif beside:
            found |= self._comparison(table, at)
        return found

    def _sensor(self, table: Json, at: str) -> str | None:
        sensor = self._telling.table(table.get("sensor"), f"{at}.sensor")
        listed = sensor.get("sensorAddresses")
        addresses = [str(it) for it in listed] if isinstance(listed, list) else []
        if not addresses:
            self._telling.refuse(
                f"{at}.sensor", "names no sensor", "name one; the gateway chooses none itself"
            )
            return None
        if len(addresses) > 1:
            self._telling.remark(f"{at}.sensor", f"only the first sensor is heard, {addresses[0]!r}")
        return self._point(addresses[0])

    def _comparison(self, table: Json, at: str) -> Json:
        reference = self._telling.table(table.get("reference"), f"{at}.reference")
        state = self._telling.table(table.get("state"), f"{at}.state")
        if reference.get("resource") != "devices":
            what = f"is of {reference.get('resource')!r}"
            self._telling.refuse(f"{at}.reference", what, "only what a device reads can be compared")
        if state.get("name") not in STATES:
            self._telling.refuse(f"{at}.state", f"is a {state.get('name')!r}", f"one of {', '.join(STATES)}")
        value = state.get("value")
        return {
            "reference": self._point(str(reference.get("address"))),
            "operator": str(table.get("operator")).lower(),
            "state": int(value) if isinstance(value, bool) else value,
        }

    def _point(self, address: str) -> str:
        return self._frame.address_of.get(address, address)

    def _calendars(self, data: Json, beyond: Json) -> list[Json]:
        telling = self._telling
        ours: dict[str, list[tuple[int, Json]]] = {}
        for at, row in telling.rows(beyond, "rules", EXTENSION):
            place = row.get("at")
            if not isinstance(place, int) or not isinstance(row.get("rule"), dict):
                telling.refuse(at, "is no rule with its place", "leave the extension as it was exported")
                continue
            ours.setdefault(str(row.get("calendar")), []).append((place, row["rule"]))
        found = []
        for at, table in telling.rows(data, "calendars", ""):
            telling.left(table, at, ("id", "ownerCMS", "rules", "defaultProgram"))
            rules = rules_of(telling, table, at, ours.pop(str(table.get("id")), []))
            if "defaultProgram" not in table:
                telling.refuse(at, "has no defaultProgram", "say what lamps do where no rule applies")
            default = telling.named("program", table.get("defaultProgram"))
            name = telling.name("calendar", table.get("id"), f"{at}.id")
            found.append({"id": name, "rules": rules, "default_program": default})
        for calendar in ours:
            telling.refuse(f"{EXTENSION}.rules", f"there is no calendar {calendar!r}", "remove its rules")
        return found

    def _group(self, at: str, table: Json) -> Json:
        self._telling.left(table, at, ("address", "ownerCMS", "members", "purpose"))
        name = self._telling.name("group", table.get("address"), f"{at}.address")
        return {"id": name, "members": list(self._addresses(table, "members", at))}

    def _assignment(self, at: str, table: Json) -> Iterator[Json]:
        self._telling.left(table, at, ("addresses", "entity", "cmsRefId"))
        entity = self._telling.table(table.get("entity"), f"{at}.entity")
        if entity.get("resource") != "calendars":
            self._telling.remark(
                at, f"assigns {entity.get('resource')!r}, which a plan does not know; left out"
            )
        elif not entity.get("address"):
            self._telling.refuse(at, "takes a calendar away", "leave it and the assignment it undoes out")
        else:
            addresses = list(self._addresses(table, "addresses", at))
            yield {"calendar": self._telling.named("calendar", entity.get("address")), "addresses": addresses}

    def _addresses(self, table: Json, key: str, at: str) -> Iterator[str]:
        for place, reference in self._telling.rows(table, key, at):
            resource, address = reference.get("resource"), str(reference.get("address"))
            if resource == "groups":
                yield self._telling.named("group", address)
            elif resource != "devices":
                self._telling.refuse(place, f"is of {resource!r}", "lamps are devices, or in groups")
            elif address in self._frame.address_of:
                yield self._frame.address_of[address]
            else:
                yield address if "/" in address else f"{address}/*"


def _object(data: Mapping[str, Any] | bytes | str) -> Json:
    if isinstance(data, Mapping):
        return dict(data)
    if len(data) > BYTES_MAX:
        raise TalqError([f"longer than {BYTES_MAX} bytes; divide it"])
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TalqError([f"not valid JSON: {error}"]) from error
    if not isinstance(found, dict):
        raise TalqError([f"must be an object with {', '.join(TABLES)}"])
    return found


def _dotted(key: tuple[str | int, ...]) -> str:
    return "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in key).removeprefix(".")
