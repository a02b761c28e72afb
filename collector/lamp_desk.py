"""The lighting team's desk: the plan that is pushed, overrides that end, conditions that hold.

Plans, overrides and conditions go to each gateway as signed documents of what holds there now. Every
function runs inside a transaction of its caller's, so that all gateways are asked or none is.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as plain_insert

from collector import registry
from collector.desired_book import DesiredBook, Push
from collector.tables import desired, lamp_plans
from contract.desired import DesiredKind, decode
from contract.signing import payload_of
from lighting import checking, documents
from lighting.addresses import Addresses
from lighting.documents import OVERRIDES_MAX, Condition, Conditions, Override, Overrides
from lighting.plan import Plan
from toml_files import TomlFile

PLANS_KEPT_MAX = 20
CONDITIONS_MAX = 100
"""So many of a gateway hold, or will, at once."""


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
                name=plan.name, file=file.name[:255], who=who, pushed_ms=self._now_ms(), text=text
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
    ) -> list[str]:
        """Put lamps at a level for a time, in place of former overrides; return the gateways told."""
        plan = _plan(connection)
        limits = plan.overrides
        lasts_s = limits.default_s if for_s is None else for_s
        if lasts_s > limits.longest_s:
            raise DeskError(
                f"an override of {lasts_s:g} s is longer than the plan allows; give {limits.longest_s:g} s "
                "at most, or change longest_s in [overrides] of the plan",
                "for_s",
            )
        begins_ms = self._now_ms() if start_ms is None else start_ms
        ends_ms = begins_ms + round(lasts_s * 1000)
        told = {}
        for gateway, lamps in _by_gateway(plan, addresses).items():
            standing = _without(self._overrides(connection, gateway), lamps)
            if len(standing) >= OVERRIDES_MAX:
                raise DeskError(
                    f"{gateway} has {len(standing)} overrides already; cancel some of them first", "addresses"
                )
            fresh = Override(
                lamps=lamps,
                level=level,
                start_ms=begins_ms,
                expiration_ms=ends_ms,
                reason=f"{reason} ({who})",
            )
            told[gateway] = Overrides(overrides=[*standing, fresh])
        return self._tell_overrides(connection, told, who)

    def cancel(self, connection: Connection, addresses: Sequence[str], who: str) -> list[str]:
        """Let lamps follow their plan again; return the gateways that are told."""
        told = {}
        for gateway, lamps in _by_gateway(_plan(connection), addresses).items():
            told[gateway] = Overrides(overrides=_without(self._overrides(connection, gateway), lamps))
        return self._tell_overrides(connection, told, who)

    def hold(
        self,
        connection: Connection,
        condition: str,
        who: str,
        *,
        gateways: Sequence[str] = (),
        start_ms: int | None = None,
        for_s: float,
    ) -> list[str]:
        """Say that a condition of the plan holds for a time, 0: no more; return the gateways told."""
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
        return self.period(
            connection, condition, who, gateways=gateways or there, start_ms=start_ms, for_s=for_s
        )

    def period(
        self,
        connection: Connection,
        name: str,
        who: str,
        *,
        gateways: Sequence[str],
        start_ms: int | None = None,
        for_s: float,
    ) -> list[str]:
        """Say the same of an event period of rules, which no plan names; return the gateways told."""
        begins_ms = self._now_ms() if start_ms is None else start_ms
        bodies = {}
        for gateway in gateways:
            standing = [it for it in self.standing(connection, gateway) if it.condition != name]
            if len(standing) >= CONDITIONS_MAX:
                raise DeskError(f"{gateway} has {len(standing)} periods already; end some of them first")
            if for_s:
                until_ms = begins_ms + round(for_s * 1000)
                standing.append(Condition(condition=name, from_ms=begins_ms, until_ms=until_ms))
            bodies[gateway] = documents.written(Conditions(conditions=standing))
        self._book.push(connection, Push(DesiredKind.LAMP_CONDITIONS, bodies, who))
        return sorted(bodies)

    def _tell_overrides(self, connection: Connection, told: dict[str, Overrides], who: str) -> list[str]:
        bodies = {gateway: documents.written(overrides) for gateway, overrides in told.items()}
        self._book.push(connection, Push(DesiredKind.LAMP_OVERRIDES, bodies, who))
        return sorted(bodies)

    def _overrides(self, connection: Connection, gateway: str) -> list[Override]:
        """Return the overrides of a gateway that are not over."""
        body = newest_body(connection, gateway, DesiredKind.LAMP_OVERRIDES)
        known = Overrides.model_validate_json(body).overrides if body else []
        return [override for override in known if override.expiration_ms > self._now_ms()]

    def standing(self, connection: Connection, gateway: str) -> list[Condition]:
        """Return the conditions, or periods, of a gateway that are not over."""
        body = newest_body(connection, gateway, DesiredKind.LAMP_CONDITIONS)
        known = Conditions.model_validate_json(body).conditions if body else []
        return [condition for condition in known if condition.until_ms > self._now_ms()]


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


def kept(connection: Connection) -> Kept | None:
    """Return the plan that was pushed last, if any was."""
    row = connection.execute(select(lamp_plans).order_by(lamp_plans.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return Kept(checking.parsed(TomlFile(row.text, row.file)), row.text, row.file, row.who, row.pushed_ms)


def newest_body(connection: Connection, gateway: str, kind: DesiredKind) -> str:
    """Return what a gateway is to hold of a kind; empty where nothing was pushed."""
    query = select(desired.c.jws).where(desired.c.gateway == gateway, desired.c.kind == str(kind))
    jws = connection.execute(query.order_by(desired.c.sequence.desc()).limit(1)).scalar()
    return decode(payload_of(jws)).body if jws else ""


def _without(overrides: Iterable[Override], lamps: Collection[str]) -> list[Override]:
    """Return overrides without some lamps; one that has no other is gone."""
    left = []
    for override in overrides:
        others = [lamp for lamp in override.lamps if lamp not in lamps]
        if others:
            left.append(override.model_copy(update={"lamps": others}))
    return left


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
