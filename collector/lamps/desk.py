"""The lighting team's desk: the plan that is pushed, overrides that end, conditions that hold.

Plans, overrides and conditions go to each gateway as signed documents of what holds there now. Every
function runs inside a transaction of its caller's, so that all gateways are asked or none is.
"""

import datetime as dt
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as plain_insert

from collector import registry
from collector.desired.book import DesiredBook, Push
from collector.lamps import hand as lamp_hand
from collector.lamps import standing as lamp_standing
from collector.lamps.hand import Allowed
from collector.tables import lamp_plans
from contract.desired import DesiredKind
from contract.limits import TIME_MS_MAX
from lighting import checking, documents, nights
from lighting.addresses import Addresses
from lighting.documents import OVERRIDES_MAX, Condition, Conditions, Override, Overrides
from lighting.plan import Plan
from toml_files import TomlFile

PLANS_KEPT_MAX = 60
"""Reports ask them which lamps a record is due of: of nights before the oldest one nobody knows."""
REMARKS_MAX = 50


class DeskError(ValueError):
    """What was asked for cannot be; the text says why and what to do, ``key`` what of the request it is."""

    def __init__(self, text: str, key: str = "") -> None:
        """Keep both; ``key`` is empty where the request is as it should be."""
        super().__init__(text)
        self.key = key


class Kept(NamedTuple):
    """The plan that was pushed last."""

    plan: Plan
    text: str
    file: str
    who: str
    pushed_ms: int


class Said(NamedTuple):
    """The gateways that are told, and what is worth knowing."""

    gateways: list[str]
    remarks: list[str]


class LampDesk:
    """Pushes plans, overrides and conditions."""

    def __init__(self, book: DesiredBook, now_ms: Callable[[], int]) -> None:
        """``book`` signs and numbers what is pushed."""
        self._book, self._now_ms = book, now_ms

    def push_plan(
        self,
        connection: Connection,
        file: TomlFile,
        text: str,
        who: str,
        *,
        effective_ms: int | None,
        expires_ms: int | None,
    ) -> list[str]:
        """Send each cabinet its part; return remarks. TomlFileError or PushError, and nothing is changed."""
        plan = checking.parsed(file)
        former, parts = kept(connection), documents.parts_of(plan)
        bodies = {gateway: documents.written(part) for gateway, part in parts.items()}
        self._book.push(connection, Push(DesiredKind.LAMP_PLAN, bodies, who, effective_ms, expires_ms))
        connection.execute(
            plain_insert(lamp_plans).values(
                name=plan.name,
                file=file.name[:255],
                who=who,
                pushed_ms=self._now_ms(),
                text=text,
                effective_ms=effective_ms,
                expires_ms=expires_ms,
            )
        )
        newest = select(lamp_plans.c.id).order_by(lamp_plans.c.id.desc()).limit(PLANS_KEPT_MAX)
        connection.execute(delete(lamp_plans).where(lamp_plans.c.id.not_in(newest)))
        gone = {it.gateway for it in former.plan.cabinets} - set(bodies) if former else set()
        remarks = [f"{gateway} is in this plan no more and keeps the one before" for gateway in sorted(gone)]
        return [*remarks, *unread(connection, parts)]

    def override(
        self,
        connection: Connection,
        addresses: Sequence[str],
        level: int,
        reason: str,
        who: str,
        *,
        start_ms: int | None = None,
        for_s: float | None = None,
    ) -> Said:
        """Put lamps at a level for a time; where another holds as well, the one said last wins."""
        plan, now_ms = _plan(connection), self._now_ms()
        zone, told, remarks = nights.zone(plan.time_zone), {}, []
        begins_ms = now_ms if start_ms is None else start_ms
        for gateway, lamps in _by_gateway(plan, addresses).items():
            allowed = lamp_hand.allowed(connection, gateway, plan.overrides, now_ms)
            ends_ms = begins_ms + _lasts_ms(plan, gateway, allowed, begins_ms, for_s)
            _check_times("an override", begins_ms, ends_ms, now_ms, zone)
            fresh = Override(
                lamps=lamps,
                level=level,
                start_ms=begins_ms,
                expiration_ms=ends_ms,
                reason=f"{reason} ({who})",
            )
            former, said = self._overrides(connection, plan, gateway, allowed)
            standing, affected = lamp_standing.overlaid(former, fresh, now_ms)
            remarks += said + [lamp_standing.override_remark(gateway, each, zone) for each in affected]
            if len(standing) > OVERRIDES_MAX:
                raise DeskError(
                    f"{gateway} has {len(former)} overrides already; cancel some of them first", "addresses"
                )
            told[gateway] = Overrides(overrides=standing)
        return Said(self._tell_overrides(connection, told, who), _some(remarks))

    def cancel(self, connection: Connection, addresses: Sequence[str], who: str) -> Said:
        """Let lamps follow their plan again, also at times for which overrides were set already."""
        plan = _plan(connection)
        zone, told, remarks = nights.zone(plan.time_zone), {}, []
        for gateway, lamps in _by_gateway(plan, addresses).items():
            allowed = lamp_hand.allowed(connection, gateway, plan.overrides, self._now_ms())
            former, said = self._overrides(connection, plan, gateway, allowed)
            gone = lamp_standing.cancelled(former, set(lamps), self._now_ms())
            remarks += said + [lamp_standing.override_remark(gateway, each, zone) for each in gone]
            told[gateway] = Overrides(overrides=lamp_standing.without(former, set(lamps)))
        return Said(self._tell_overrides(connection, told, who), _some(remarks))

    def hold(
        self,
        connection: Connection,
        condition: str,
        who: str,
        *,
        gateways: Sequence[str] = (),
        start_ms: int | None = None,
        for_s: float,
    ) -> Said:
        """Say that a condition of the plan holds for a time, also at another one; 0: no more, at none."""
        plan = _plan(connection)
        if condition not in plan.conditions:
            known = ", ".join(plan.conditions) or "none"
            raise DeskError(
                f"the plan {plan.name!r} has no condition {condition!r}; it has: {known}", "condition"
            )
        there = [cabinet.gateway for cabinet in plan.cabinets]
        if strange := sorted(set(gateways) - set(there)):
            raise DeskError(
                f"the plan {plan.name!r} has no cabinet {strange[0]!r}; write one of {', '.join(there[:8])}",
                "gateways",
            )
        now_ms, zone = self._now_ms(), nights.zone(plan.time_zone)
        begins_ms = now_ms if start_ms is None else start_ms
        until_ms = begins_ms + round(for_s * 1000)
        if for_s:
            _check_times("a condition", begins_ms, until_ms, now_ms, zone)
        bodies, remarks = {}, []
        for gateway in gateways or there:
            standing = lamp_hand.conditions(connection, gateway, now_ms)
            if for_s:
                fresh = Condition(condition=condition, from_ms=begins_ms, until_ms=until_ms)
                former = len(standing)
                standing, short = lamp_standing.renewed(standing, fresh)
                remarks += [lamp_standing.condition_remark(gateway, *each, zone) for each in short]
                if len(standing) > OVERRIDES_MAX:
                    raise DeskError(
                        f"{gateway} has {former} conditions already; end some with for_s = 0", "condition"
                    )
            else:
                standing = [it for it in standing if it.condition != condition]
            bodies[gateway] = documents.written(Conditions(conditions=standing))
        self._book.push(connection, Push(DesiredKind.LAMP_CONDITIONS, bodies, who))
        return Said(sorted(bodies), _some(remarks))

    def _tell_overrides(self, connection: Connection, told: dict[str, Overrides], who: str) -> list[str]:
        bodies = {gateway: documents.written(overrides) for gateway, overrides in told.items()}
        self._book.push(connection, Push(DesiredKind.LAMP_OVERRIDES, bodies, who))
        return sorted(bodies)

    def _overrides(
        self, connection: Connection, plan: Plan, gateway: str, allowed: Allowed
    ) -> tuple[list[Override], list[str]]:
        """Return what stands of former overrides so that the gateway can take it, and remarks."""
        now_ms, zone = self._now_ms(), nights.zone(plan.time_zone)
        former, refused, reason = lamp_hand.overrides(connection, gateway, now_ms)
        remarks = [lamp_standing.refused_remark(gateway, each, reason, zone) for each in refused]
        standing = []
        for each in former:
            longest_s = allowed.longest_s(each.expiration_ms)
            fits, is_cut = lamp_standing.fitted(each, longest_s, now_ms)
            standing.append(fits)
            if is_cut:
                ends_ms = fits.expiration_ms
                remarks.append(lamp_standing.cut_remark(gateway, each, ends_ms, longest_s, zone))
        return standing, remarks


def _lasts_ms(plan: Plan, gateway: str, allowed: Allowed, begins_ms: int, for_s: float | None) -> int:
    """Return how long an override lasts there; DeskError where that is longer than a plan allows."""
    limits = plan.overrides
    lasts_ms = round((limits.default_s if for_s is None else for_s) * 1000)
    longest_s = allowed.longest_s(begins_ms + lasts_ms)
    if for_s is not None and for_s > longest_s:
        which = "the plan" if longest_s == limits.longest_s else f"the plan that {gateway} follows"
        raise DeskError(
            f"an override of {_hours(for_s)} is too long: {which} allows {_hours(longest_s)}; give "
            f"{_hours(longest_s)} at most, or change longest_s in [overrides] of the plan",
            "for_s",
        )
    return min(round(longest_s * 1000), lasts_ms)


def unread(connection: Connection, parts: Mapping[str, Plan]) -> list[str]:
    """Return a remark for each point that a part of a plan asks of a device that its gateway did not name.

    It named them when it was connected last; it may have others by now, so that it decides.
    """
    asked = {gateway: part.asked for gateway, part in parts.items() if part.asked}
    devices = registry.devices_of(connection, asked)
    return [
        f"{gateway}: {key}: it has no device {name.partition('/')[0]!r}, of which {name} is asked, and will "
        f"refuse the plan; it has: {', '.join(devices[gateway][:8])}"
        for gateway, points in sorted(asked.items())
        for name, key in points.items()
        if gateway in devices and name.partition("/")[0] not in devices[gateway]
    ]


def gateways_planned(connection: Connection, before_ms: int) -> dict[str, int]:
    """Return the gateways of the plan that was pushed last before then, each with when that was."""
    query = select(lamp_plans.c.text, lamp_plans.c.pushed_ms).where(lamp_plans.c.pushed_ms < before_ms)
    row = connection.execute(query.order_by(lamp_plans.c.id.desc()).limit(1)).first()
    if row is None:
        return {}
    return {cabinet["gateway"]: row.pushed_ms for cabinet in tomllib.loads(row.text)["cabinets"]}


def kept(connection: Connection) -> Kept | None:
    """Return the plan that was pushed last, if any was."""
    row = connection.execute(select(lamp_plans).order_by(lamp_plans.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return Kept(checking.parsed(TomlFile(row.text, row.file)), row.text, row.file, row.who, row.pushed_ms)


def _check_times(what: str, begins_ms: int, ends_ms: int, now_ms: int, zone: dt.tzinfo) -> None:
    """DeskError for what would do nothing, or end later than any clock tells."""
    if ends_ms > TIME_MS_MAX:
        raise DeskError(f"{what} that ends at {ends_ms} is later than {TIME_MS_MAX} ms; end it", "start_ms")
    if ends_ms <= max(begins_ms, now_ms):
        when = lamp_standing.span(begins_ms, ends_ms, zone)
        raise DeskError(
            f"{what} {when} is over before it begins; give a later start_ms, or a longer for_s", "start_ms"
        )


def _some(remarks: Sequence[str]) -> list[str]:
    """Return as many as people read."""
    more = len(remarks) - REMARKS_MAX
    return [*remarks[:REMARKS_MAX], *([f"and {more} more like these"] if more > 0 else [])]


def _hours(duration_s: float) -> str:
    """Return a duration as people write it to the command: 12h, 45min, 90s."""
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if duration_s % unit_s == 0:
            return f"{duration_s / unit_s:g}{unit}"
    return f"{duration_s:g}s"


def _plan(connection: Connection) -> Plan:
    found = kept(connection)
    if found is None:
        raise DeskError("no lamp plan was pushed yet; push one first: gengfu lamps push PLAN")
    return found.plan


def _by_gateway(plan: Plan, addresses: Iterable[str]) -> dict[str, list[str]]:
    """Return lamps by gateway; AddressError where an address means none."""
    known = Addresses(plan)
    found: dict[str, list[str]] = {}
    for lamp in dict.fromkeys(lamp for text in addresses for lamp in known.lamps(text)):
        found.setdefault(lamp.gateway, []).append(lamp.lamp)
    return found
