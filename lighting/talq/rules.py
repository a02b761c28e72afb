"""Calendar rules from TALQ: dates, days of the week, lists of dates; with our own among them again."""

from collections.abc import Iterator, Sequence

from lighting.plan import WEEKDAYS
from lighting.talq.names import EXTENSION
from lighting.talq.telling import Json, Telling


def rules_of(telling: Telling, calendar: Json, at: str, ours: Sequence[tuple[int, Json]]) -> list[Json]:
    """Return the rules of a calendar; ``ours`` are those with conditions and how many of TALQ's go before."""
    theirs = list(telling.rows(calendar, "rules", at))
    waiting = sorted(ours, key=lambda each: each[0])
    found: list[Json] = []
    for index, (place, rule) in enumerate(theirs):
        found += _due(telling, waiting, index)
        found += _rules(telling, place, rule)
    found += _due(telling, waiting, len(theirs))
    if waiting:
        what = f"a rule with a condition stood after {waiting[0][0]} rules, of which {len(theirs)} are left"
        telling.remark(f"{EXTENSION}.rules", f"{what}; it comes last")
        found += _due(telling, waiting, waiting[-1][0])
    return found


def _due(telling: Telling, waiting: list[tuple[int, Json]], index: int) -> Iterator[Json]:
    while waiting and waiting[0][0] <= index:
        _, rule = waiting.pop(0)
        yield rule | {"program": telling.named("program", rule.get("program"))}


def _rules(telling: Telling, at: str, rule: Json) -> Iterator[Json]:
    telling.left(rule, at, ("startDate", "endDate", "condition", "program"))
    found: Json = {"program": telling.named("program", rule.get("program"))}
    if "program" not in rule:
        telling.refuse(at, "names no program", "say which one applies")
    for theirs, ours in (("startDate", "start_date"), ("endDate", "end_date")):
        if theirs in rule:
            found[ours] = rule[theirs]
    if _wraps(found.get("start_date"), found.get("end_date")):
        telling.remark(at, "ends before it starts; read as going over new year")
    if "condition" not in rule:
        yield found
        return
    condition = telling.table(rule["condition"], f"{at}.condition")
    match condition.get("type"):
        case "ccDay":
            telling.left(condition, f"{at}.condition", ("type", "days", "occurrences"))
            if condition.get("occurrences"):
                what = "asks for certain weeks of a month"
                telling.refuse(
                    f"{at}.condition.occurrences", what, "write those dates, in rules of their own"
                )
            yield found | {"days": list(_weekdays(telling, condition, f"{at}.condition"))}
        case "ccDate":
            telling.left(condition, f"{at}.condition", ("type", "dates"))
            yield from _dates(telling, condition, f"{at}.condition", found)
        case other:
            telling.refuse(f"{at}.condition.type", f"{other!r} is unknown", "ccDay or ccDate")


def _weekdays(telling: Telling, condition: Json, at: str) -> Iterator[str]:
    rows = list(telling.rows(condition, "days", at))
    if not rows:
        telling.refuse(f"{at}.days", "names no day", "name one, or leave the condition out")
    for place, row in rows:
        start = row.get("start")
        end = row.get("end", start)
        if type(start) is int and type(end) is int and 1 <= start <= end <= len(WEEKDAYS):
            yield from WEEKDAYS[start - 1 : end]
        else:
            telling.refuse(place, f"{start!r} to {end!r} are no days of the week", "1 is Monday, 7 is Sunday")


def _dates(telling: Telling, condition: Json, at: str, rule: Json) -> Iterator[Json]:
    """Yield one rule for each date or range of every year."""
    rows = list(telling.rows(condition, "dates", at))
    if not rows:
        telling.refuse(f"{at}.dates", "names no date", "name one, or leave the condition out")
    if rows and ("start_date" in rule or "end_date" in rule):
        what = "stands beside startDate or endDate"
        telling.refuse(at, what, "write each date as a rule of its own")
        return
    for place, row in rows:
        start, end = row.get("start"), row.get("end", row.get("start"))
        if any(str(day).startswith("---") for day in (start, end)):
            telling.refuse(place, "is a day of every month", "write its twelve dates, --MM-DD")
        elif _wraps(start, end):
            telling.refuse(place, "ends before it starts", "divide it at new year")
        else:
            yield rule | {"start_date": start, "end_date": end}


def _wraps(start: object, end: object) -> bool:
    yearly = isinstance(start, str) and isinstance(end, str) and start[:2] == end[:2] == "--"
    return yearly and str(start) > str(end)
