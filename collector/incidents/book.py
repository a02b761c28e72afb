"""The book of incidents: every alarm belongs to exactly one. A follower of alarms.

An alarm begins as an incident of its own, or joins the open one of its source. Where enough of them match a
rule near each other in time and place, one incident takes their members over and theirs are closed; while it
is open, what matches joins it. Rules go before each other as they stand in the settings: a narrow one takes
its members out of an incident of a broad one, too. An alarm of the highest priority stays by itself, each
occurrence of it, and so does what is planned.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from collector.alarms.happening import Alarm
from collector.incidents import rows, titles
from collector.incidents.correlating import Box, Candidate, Rule
from collector.incidents.labels import Labeller, Seen
from collector.incidents.settings import SINGLE
from contract.events import Priority
from toml_files import Title

Group = tuple[Rule, dict[str, str], str]
"""A rule that is for an alarm, the labels that it shares with others, both as one text."""


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
    def of_alarm(connection: Connection, gateway: str, alarm_id: str) -> str | None:
        """Return the incident that an alarm belongs to; None where followers were never told of it."""
        return rows.incident_of(connection, gateway, alarm_id)

    def raised(self, connection: Connection, alarm: Alarm) -> None:
        """See Follower: put an alarm in its incident; what is in one stays there."""
        if rows.incident_of(connection, alarm.gateway, alarm.id) is not None:
            return
        seen = self._labeller.seen(connection, alarm)
        alone = alarm.priority is Priority.HIGHEST or alarm.planned
        groups = [] if alone else list(self._groups(seen))
        incident_id, passed = self._joined(connection, groups, seen)
        if incident_id is None:
            incident_id = self._into_single(connection, seen, of_its_own=alone)
        if passed and not self._quiet(connection, alarm):
            for group in passed:
                if self._gather(connection, group, seen, incident_id):
                    return

    def cleared(self, connection: Connection, alarm: Alarm) -> None:
        """See Follower: a member less is active."""
        rows.clear_member(connection, alarm, self._now_ms())

    def close_idle(self, connection: Connection, now_ms: int, count_max: int) -> int:
        """Close what has had no active member for long enough; return how many were closed."""
        closed = rows.close_idle(connection, now_ms - self._life.close_after_ms, now_ms, count_max)
        rows.forget_candidates(connection, closed)
        return len(closed)

    def _groups(self, seen: Seen) -> list[Group]:
        found = []
        for rule in self._rules:
            common = rule.common(seen.labels, seen.place)
            if common is not None:
                found.append((rule, common, rule.grouping(common)))
        return found

    def _joined(
        self, connection: Connection, groups: Sequence[Group], seen: Seen
    ) -> tuple[str | None, Sequence[Group]]:
        """Join the first open incident that is for an alarm; return it, and the rules that come before it.

        Those may take it from there: an incident of a broad rule does not keep what a narrow one finds.
        """
        for number, group in enumerate(groups):
            if found := self._open_group(connection, group, seen):
                self._join(connection, found, seen)
                return str(found.id), groups[:number]
        return None, groups

    def _open_group(self, connection: Connection, group: Group, seen: Seen) -> Row[Any] | None:
        """Return the open incident that the alarm is part of; one in which nothing happens is let go."""
        rule, _, grouping = group
        for row in rows.open_of_grouping(connection, grouping):
            if seen.alarm.received_ms - row.last_ms > self._life.joins_for_ms:
                rows.let_go(connection, row)
            elif rule.reaches(rows.box_of(row), seen.place):
                return row
        return None

    def _into_single(self, connection: Connection, seen: Seen, *, of_its_own: bool) -> str:
        key = f"{SINGLE}/{seen.source}" + (f"/{seen.alarm.id}" if of_its_own else "")
        found = rows.open_by_key(connection, key)
        if found and seen.alarm.received_ms - found.last_ms > self._life.joins_for_ms:
            rows.let_go(connection, found)
            found = None
        if found is None:
            box = Box.around([seen.place] if seen.place else [])
            first = {"sources": 1, "members": 1, "active": 1} | rows.sides(box)
            incident_id = self._open(connection, SINGLE, key, key, seen, {}, seen.alarm.received_ms, first)
            rows.add_member(connection, incident_id, seen)
            return incident_id
        self._join(connection, found, seen)
        return str(found.id)

    def _gather(self, connection: Connection, group: Group, seen: Seen, incident_id: str) -> bool:
        """Note an alarm's source for a rule; bring it together with others where they are enough."""
        rule, _, grouping = group
        received_ms = seen.alarm.received_ms
        fresh = Candidate(incident_id, seen.source, seen.at_ms, seen.place)
        rows.note_candidate(connection, grouping, fresh, received_ms, received_ms - rule.within_ms)
        names = [each.name for each in self._rules]
        broader = [SINGLE, *names[names.index(rule.name) + 1 :]]
        most = self._life.candidates_max
        others = rows.other_candidates(connection, grouping, seen.source, broader, most)
        together = rule.gathered(fresh, others)
        if together:
            self._bring_together(connection, group, seen, together)
        return bool(together)

    def _bring_together(
        self, connection: Connection, group: Group, seen: Seen, together: Sequence[Candidate]
    ) -> None:
        """Open an incident and give it the members of these sources; incidents that had them have less."""
        rule, common, grouping = group
        received_ms = seen.alarm.received_ms
        before = rows.by_id(connection, {each.incident_id for each in together})
        singles = [row for row in before if row.rule == SINGLE]
        opened_ms = min((row.opened_ms for row in singles), default=received_ms)
        key = grouping if rule.distance_m is None else f"{grouping}@{seen.source}/{seen.alarm.id}"
        group_id = self._open(connection, rule.name, key, grouping, seen, common, opened_ms, {})
        sources = [each.source for each in together]
        left = rows.move_members(connection, [row.id for row in before], sources, group_id, received_ms)
        rows.candidates_moved(connection, sources, group_id)
        counts = rows.counted(connection, group_id)
        places = [each.place for each in together if each.place]
        values = counts | rows.sides(Box.around(places)) | {"last_ms": received_ms}
        values["priority"] = rows.priority_of(connection, group_id)
        rows.change(connection, group_id, values | self._group_title(rule, counts["sources"], common))
        for row in before:
            if row.id in left:
                self._fewer(connection, row, received_ms)

    def _fewer(self, connection: Connection, incident: Row[Any], now_ms: int) -> None:
        """Count an incident anew that some of its members left."""
        counts = rows.counted(connection, incident.id)
        values = counts | {"idle_ms": None if counts["active"] else now_ms, "revision": incident.revision + 1}
        values["priority"] = rows.priority_of(connection, incident.id)
        if rule := self._by_name.get(incident.rule):
            values |= self._group_title(rule, counts["sources"], json.loads(incident.labels))
        rows.change(connection, incident.id, values)

    def _open(
        self,
        connection: Connection,
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
        rows.open_new(
            connection,
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

    def _join(self, connection: Connection, incident: Row[Any], seen: Seen) -> None:
        """Write an alarm into an open incident; a more severe one is to be acknowledged anew."""
        fresh = not rows.has_source(connection, incident.id, seen.source)
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
        rows.change(connection, incident.id, values)
        rows.add_member(connection, incident.id, seen)

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
