"""What a platform's answers mean by its mapping: pure."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from collector.platforms.mapping import PlatformMapping, StatusFields
from collector.platforms.protocol import (
    Answered,
    CannotSay,
    Found,
    LookedUp,
    NotSent,
    NotThere,
    Perhaps,
    Refused,
    Status,
    Statuses,
    Taken,
)
from collector.platforms.templates import MISSING, Missing, text_at, value_at

ITEMS_MAX = 1000
CONFLICT = 409
NUMBER_CHARACTERS_MAX = 100
TIME_MS_MAX = 1e14
NOTE_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer that was heard to its end, or to its limit."""

    status: int
    body: bytes
    retry_after: str = ""
    location: str = ""


def of_message(answer: HttpAnswer, mapping: PlatformMapping) -> Answered:
    """Say what an answer to a message means: by its code where that says something, else by its status."""
    answers, status = mapping.answers, answer.status
    told = decoded(answer.body)
    said = _said(answer, told, answers.message)
    code = text_at(told, answers.code) if answers.code else ""
    taken = Taken(_number(told, answers.number))
    if status in answers.duplicate_statuses or (code and code in answers.duplicate):
        return taken
    if status in answers.not_taken_statuses or (code and code in answers.not_taken):
        return NotSent(said, answer.retry_after)
    held = status == CONFLICT and mapping.key is not None  # a request under this key is still under way there
    if 400 <= status < 500 and not held:
        return Refused(said)
    if status >= 300:
        return Perhaps(said, answer.retry_after)
    if not answers.code:
        sound = isinstance(told, Mapping) or not answer.body.strip()
        return taken if sound else Perhaps(f"answered {status}, but with no JSON object")
    return _by_code(code, said, taken, mapping)


def _by_code(code: str, said: str, taken: Taken, mapping: PlatformMapping) -> Answered:
    answers = mapping.answers
    if code in answers.success:
        return taken
    if not code:
        return Perhaps(f"{said}; but with no {answers.code}")
    return Perhaps(said) if code in answers.ambiguous else Refused(said)


def of_look_up(answer: HttpAnswer, mapping: PlatformMapping) -> LookedUp:
    """Say what an answer to a look-up means."""
    look_up = mapping.look_up
    if look_up is None:
        return CannotSay("it cannot be asked")
    told = decoded(answer.body)
    code = text_at(told, mapping.answers.code) if mapping.answers.code else ""
    if answer.status in look_up.absent_statuses or (code and code in look_up.absent):
        return NotThere()
    said = _said(answer, told, mapping.answers.message)
    if not 200 <= answer.status < 300 or isinstance(told, Missing):
        return CannotSay(said, answer.retry_after)
    if mapping.answers.code and code not in mapping.answers.success:
        return CannotSay(said, answer.retry_after)
    number = _number(told, look_up.number)
    if not number:
        is_empty = bool(look_up.found) and value_at(told, look_up.found) in ([], None)
        return NotThere() if is_empty else CannotSay(said)
    status = None
    if look_up.status:
        found = status_of(told, look_up.status, mapping)
        status = found if isinstance(found, Status) else None
    return Found(number, status)


def of_poll(answer: HttpAnswer, mapping: PlatformMapping, cursor: str) -> Statuses | CannotSay:
    """Say what an answer to a poll means."""
    poll = mapping.poll
    if poll is None:
        return CannotSay("it cannot be polled")
    told = decoded(answer.body)
    items = value_at(told, poll.items) if poll.items else told
    code = text_at(told, mapping.answers.code) if mapping.answers.code else ""
    wrong = bool(mapping.answers.code) and code not in mapping.answers.success
    if not 200 <= answer.status < 300 or wrong or not isinstance(items, list):
        return CannotSay(_said(answer, told, mapping.answers.message), answer.retry_after)
    if len(items) > ITEMS_MAX:
        return CannotSay(f"answered {len(items)} items at once; at most {ITEMS_MAX} are taken")
    found = [status_of(item, poll.status, mapping) for item in items]
    following = text_at(told, poll.cursor)[:NOTE_CHARACTERS_MAX] or cursor
    return Statuses(
        tuple(each for each in found if isinstance(each, Status)),
        following,
        tuple(each for each in found if isinstance(each, str)),
        more=bool(items) and following != cursor,
    )


def status_of(item: Any, fields: StatusFields, mapping: PlatformMapping) -> Status | str:
    """Return what an item tells, or what is wrong with it."""
    if not isinstance(item, Mapping):
        return "an item is no JSON object"
    code = text_at(item, fields.stage)
    case, number = text_at(item, fields.case), text_at(item, fields.number)
    if not code:
        return f"{fields.stage}: missing; it says how the case stands"
    stage = mapping.stage_of(code)
    if not stage:
        return f"{fields.stage}: unknown stage code {code[:64]!r}; the mapping's [stages] knows none such"
    if not case and not number and (fields.case or fields.number):
        return f"{fields.case or fields.number}: missing; it says which case"
    at_ms: int | None = None
    if fields.time and not isinstance(value_at(item, fields.time), Missing):
        at_ms = _time_ms(value_at(item, fields.time), fields.time_form, mapping.utc_offset_min)
        if at_ms is None:
            return f"{fields.time}: no time of the form {fields.time_form}"
    told = {"case": case, "number": number, "code": code, "at_ms": at_ms}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return Status(
        event_id=text_at(item, fields.id)[:64] or digest,
        code=code[:64],
        stage=stage,
        case=case,
        number=number[:NUMBER_CHARACTERS_MAX],
        at_ms=at_ms,
        department=text_at(item, fields.department)[:200],
        note=text_at(item, fields.note)[:NOTE_CHARACTERS_MAX],
    )


def decoded(body: bytes) -> Any:
    """Return the JSON of a body, or MISSING."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def _said(answer: HttpAnswer, told: Any, message: str) -> str:
    words = text_at(told, message) if message else ""
    if not words and answer.location:
        words = f"to {answer.location}"
    words = words or answer.body[:200].decode(errors="replace").strip()
    return f"answered {answer.status}: {words[:300]}" if words else f"answered {answer.status}"


def _number(told: Any, path: str) -> str:
    return text_at(told, path)[:NUMBER_CHARACTERS_MAX]


def _time_ms(value: Any, form: str, offset_min: int) -> int | None:
    try:
        if form in ("ms", "s"):
            told_ms = float(value) * (1 if form == "ms" else 1000)
        else:
            at = datetime.fromisoformat(str(value)) if form == "iso" else _parsed(str(value), form)
            at = at if at.tzinfo else at.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
            told_ms = at.timestamp() * 1000
    except (ValueError, TypeError, OverflowError):
        return None
    return round(told_ms) if math.isfinite(told_ms) and 0 <= told_ms < TIME_MS_MAX else None


def _parsed(value: str, form: str) -> datetime:
    return datetime.strptime(value, form)  # noqa: DTZ007 - the zone is added where it has none
