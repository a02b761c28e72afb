"""The book of incidents: every alarm belongs to exactly one. A follower of alarms.

An alarm begins as an incident of its own, or joins the open one of its source. Where enough of them match a
rule near each other in time and place, one incident takes their members over and theirs are closed; while it
is open, what matches joins it. Rules go before each other as they stand in the settings: a narrow one takes
its members out of an incident of a broad one, too. An alarm of the highest priority stays by itself, each
occurrence of it, and so does what is planned.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from collector.alarms.happening import Alarm
from collector.held import Held
from collector.incidents import rows, titles
from collector.incidents.correlating import Box, Candidate, Rule
from collector.incidents.holding import HeldIncidents
from collector.incidents.labels import Labeller, Seen
from collector.incidents.rows import Key
from collector.incidents.settings import SINGLE
from contract.events import Priority
from toml_files import Title

Group = tuple[Rule, dict[str, str], str]
"""A rule that is for an alarm, the labels that it shares with others, both as one text."""


class Fitting(NamedTuple):
    """An alarm, what it is found by where it is an incident of its own, and the groups it may be part of."""

    seen: Seen
    single: str
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Life:
    """How long an incident lasts, and how much is looked at."""

    close_after_ms: int
    joins_for_ms: int
    candidates_max: int


class IncidentBook:
    """Writes incidents in the transaction that brings alarms."""

    def __init__(
        self,
        rules: Sequence[Rule],
        labeller: Labeller,
        problem_titles: Mapping[str, Title],
        life: Life,
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
        quiet: Callable[[Connection, Alarm], bool] = lambda _connection, _alarm: False,
    ) -> None:
        """``problem_titles`` says what problems are called; ``quiet`` of which alarm nobody is to be told."""
        self._rules, self._labeller, self._titles, self._life = tuple(rules), labeller, problem_titles, life
        self._new_id, self._now_ms, self._quiet = new_id, now_ms, quiet
        self._by_name = {rule.name: rule for rule in rules}

    @staticmethod
    def of_alarms(connection: Connection, keys: Collection[Key]) -> Mapping[Key, str]:
        """Return the incidents that alarms belong to; followers were not told of those that are not there."""
        return rows.incidents_of(connection, keys)

    def follow(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        """See Follower: put alarms in their incidents; what is in one stays there."""
        found = self._labeller.seen(connection, [each for each in alarms if each.cleared_ms is None])
        fitting = {(each.alarm.gateway, each.alarm.id): self._fitting(each) for each in found}
        groupings = [group[2] for fits in fitting.values() for group in fits.groups]
        groupings += [fits.single for fits in fitting.values()]
        held = HeldIncidents(connection, [(each.gateway, each.id) for each in alarms], groupings)
        now_ms = self._now_ms()
        for alarm in alarms:
            if alarm.cleared_ms is None:
                self._raised(held, fitting[alarm.gateway, alarm.id])
            else:
                held.clear_member(alarm, now_ms)
        held.written()

    def _raised(self, held: HeldIncidents, fits: Fitting) -> None:
        alarm = fits.seen.alarm
        if held.incident_of((alarm.gateway, alarm.id)) is not None:
            return
        incident_id, passed = self._joined(held, fits.groups, fits.seen)
        if incident_id is None:
            incident_id = self._into_single(held, fits.seen, fits.single)
        if passed and not self._quiet(held.written(), alarm):
            for group in passed:
                if self._gather(held, group, fits.seen, incident_id):
                    return

    def _fitting(self, seen: Seen) -> Fitting:
        """Return what an alarm may be part of; of the highest priority, or planned, it stays by itself."""
        alone = seen.alarm.priority is Priority.HIGHEST or seen.alarm.planned
        single = f"{SINGLE}/{seen.source}" + (f"/{seen.alarm.id}" if alone else "")
        return Fitting(seen, single, [] if alone else self._groups(seen))

    def close_idle(self, connection: Connection, now_ms: int, count_max: int) -> int:
        """Close what has had no active member for long enough; return how many were closed."""
        closed = rows.close_idle(connection, now_ms - self._life.close_after_ms, now_ms, count_max)
        rows.forget_candidates(connection, closed)
        return len(closed)

    def _groups(self, seen: Seen) -> list[Group]:
        found: list[Group] = []
        for rule in self._rules:
            common = rule.common(seen.labels, seen.place)
            if common is not None:
                found.append((rule, common, rule.grouping(common)))
        return found

    def _joined(
        self, held: HeldIncidents, groups: Sequence[Group], seen: Seen
    ) -> tuple[str | None, Sequence[Group]]:
        """Join the first open incident that is for an alarm; return it, and the rules that come before it.

        Those may take it from there: an incident of a broad rule does not keep what a narrow one finds.
        """
        for number, group in enumerate(groups):
            if found := self._open_group(held, group, seen):
                self._join(held, found, seen)
                return str(found.id), groups[:number]
        return None, groups

    def _open_group(self, held: HeldIncidents, group: Group, seen: Seen) -> Held | None:
        """Return the open incident that the alarm is part of; one in which nothing happens is let go."""
        rule, _, grouping = group
        for incident in held.open_of(grouping):
            if seen.alarm.received_ms - incident.last_ms > self._life.joins_for_ms:
                held.let_go(incident)
            elif rule.reaches(rows.box_of(incident), seen.place):
                return incident
        return None

    def _into_single(self, held: HeldIncidents, seen: Seen, key: str) -> str:
        for incident in held.open_of(key):
            if seen.alarm.received_ms - incident.last_ms <= self._life.joins_for_ms:
                self._join(held, incident, seen)
                return str(incident.id)
            held.let_go(incident)
        box = Box.around([seen.place] if seen.place else [])
        first = {"sources": 1, "members": 1, "active": 1} | rows.sides(box)
        incident_id = self._open(held, SINGLE, key, key, seen, {}, seen.alarm.received_ms, first)
        held.add_member(incident_id, seen)
        return incident_id

    def _gather(self, held: HeldIncidents, group: Group, seen: Seen, incident_id: str) -> bool:
        """Note an alarm's source for a rule; bring it together with others where they are enough."""
        rule, _, grouping = group
        connection = held.written()
        received_ms = seen.alarm.received_ms
        fresh = Candidate(incident_id, seen.source, seen.at_ms, seen.place)
        rows.note_candidate(connection, grouping, fresh, received_ms, received_ms - rule.within_ms)
        names = [each.name for each in self._rules]
        broader = [SINGLE, *names[names.index(rule.name) + 1 :]]
        most = self._life.candidates_max
        others = rows.other_candidates(connection, grouping, seen.source, broader, most)
        together = rule.gathered(fresh, others)
        if together:
            self._bring_together(held, group, seen, together)
        return bool(together)

    def _bring_together(
        self, held: HeldIncidents, group: Group, seen: Seen, together: Sequence[Candidate]
    ) -> None:
        """Open an incident and give it the members of these sources; incidents that had them have less."""
        rule, common, grouping = group
        connection = held.written()
        received_ms = seen.alarm.received_ms
        before = rows.by_id(connection, {each.incident_id for each in together})
        singles = [row for row in before if row.rule == SINGLE]
        opened_ms = min((row.opened_ms for row in singles), default=received_ms)
        key = grouping if rule.distance_m is None else f"{grouping}@{seen.source}/{seen.alarm.id}"
        group_id = self._open(held, rule.name, key, grouping, seen, common, opened_ms, {})
        held.written()
        sources = [each.source for each in together]
        left = rows.move_members(connection, [row.id for row in before], sources, group_id, received_ms)
        rows.candidates_moved(connection, sources, group_id)
        counts = rows.counted(connection, group_id)
        places = [each.place for each in together if each.place]
        values = counts | rows.sides(Box.around(places)) | {"last_ms": received_ms}
        values["priority"] = rows.priority_of(connection, group_id, str(seen.alarm.priority))
        rows.change(connection, group_id, values | self._group_title(rule, counts["sources"], common))
        for row in before:
            if row.id in left:
                self._fewer(connection, row, received_ms)
        held.changed_behind()

    def _fewer(self, connection: Connection, incident: Row[Any], now_ms: int) -> None:
        """Count an incident anew that some of its members left."""
        counts = rows.counted(connection, incident.id)
        values = counts | {"idle_ms": None if counts["active"] else now_ms, "revision": incident.revision + 1}
        values["priority"] = rows.priority_of(connection, incident.id, incident.priority)
        if rule := self._by_name.get(incident.rule):
            values |= self._group_title(rule, counts["sources"], json.loads(incident.labels))
        rows.change(connection, incident.id, values)

    def _open(
        self,
        held: HeldIncidents,
        rule: str,
        key: str,
        grouping: str,
        seen: Seen,
        common: Mapping[str, str],
        opened_ms: int,
        more: Mapping[str, Any],
    ) -> str:
        incident_id = self._new_id()
        called = self._called_single(seen)
        area = common.get("area") or seen.labels["area"]
        held.open(
            {
                "id": incident_id,
                "key": key,
                "grouping": grouping,
                "rule": rule,
                "labels": json.dumps(dict(common), ensure_ascii=False, sort_keys=True),
                "title_en": called.en,
                "title_zh": called.zh,
                "area": area,
                "priority": str(seen.alarm.priority),
                "opened_ms": opened_ms,
                "last_ms": seen.alarm.received_ms,
                **more,
            },
        )
        return incident_id

    def _join(self, held: HeldIncidents, incident: Held, seen: Seen) -> None:
        """Write an alarm into an open incident; a more severe one is to be acknowledged anew."""
        fresh = not held.has_source(incident.id, seen.source)
        sources = incident.sources + fresh
        priority = rows.higher(incident.priority, str(seen.alarm.priority))
        values: dict[str, Any] = {
            "sources": sources,
            "members": incident.members + 1,
            "active": incident.active + 1,
            "idle_ms": None,
            "last_ms": max(incident.last_ms, seen.alarm.received_ms),
        }
        if priority != incident.priority:
            values |= {"priority": priority, "acked_ms": None, "acked_by": ""}
        if priority != incident.priority or fresh or not incident.active:
            values["revision"] = incident.revision + 1
        if priority != incident.priority or (fresh and is_power_of_two(sources)):
            values["version"] = incident.version + 1
        if seen.place and fresh:
            known = rows.box_of(incident)
            values |= rows.sides(known.with_place(seen.place) if known else Box.around([seen.place]))
        rule = self._by_name.get(incident.rule)
        if rule and fresh:
            values |= self._group_title(rule, sources, json.loads(incident.labels))
        held.change(incident, values)
        held.add_member(incident.id, seen)

    def _group_title(self, rule: Rule, count: int, common: Mapping[str, str]) -> dict[str, str]:
        called = titles.group(rule.title, count, dict.fromkeys(rule.group_by, "") | dict(common))
        return {"title_en": called.en, "title_zh": called.zh}

    def _called_single(self, seen: Seen) -> titles.Called:
        alarm = seen.alarm
        where = seen.title or "/".join(name for name in (alarm.gateway, alarm.device) if name)
        return titles.single(self._titles.get(alarm.problem), alarm.problem or alarm.rule, where)


def is_power_of_two(count: int) -> bool:
    """Say whether a count that grows by one has doubled again: 2, 4, 8 ..."""
    return count >= 2 and count & (count - 1) == 0
