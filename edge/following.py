"""Who follows the centre's documents here: lamps all of them, rules the conditions: their event periods.

One document says which conditions hold, for lamps and rules alike: an event night is one, whoever asks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from contract.desired import DesiredKind, object_problems
from edge.gateway import Gateway
from edge.settings import Settings
from lighting.documents import Condition, DocumentError, read_conditions

SetPeriods = Callable[[Mapping[str, tuple[int, int]]], None]
"""Takes the event periods that hold, or will, by name: from when until when, UTC ms."""


class Following:
    """Judges bodies of documents, and puts them in force."""

    def __init__(
        self, settings: Settings, gateway: Gateway, set_periods: SetPeriods, now_ms: Callable[[], int]
    ) -> None:
        """A gateway without lamps keeps their documents, and nobody follows them."""
        self._gateway, self._set_periods, self._now_ms = gateway, set_periods, now_ms
        self._has_lamps = bool(settings.lamps)
        self._has_rules = bool(settings.alarms or settings.controls)

    def problems(self, kind: DesiredKind, body: str) -> Sequence[str]:
        """Return what is wrong with a body; names that no rule knows are no mistake: rules may come later."""
        if self._has_lamps:
            return self._gateway.lamps.problems(kind, body)
        if self._has_rules and kind is DesiredKind.LAMP_CONDITIONS:
            return _condition_problems(body)
        return object_problems(body)

    def in_force(self, kind: DesiredKind, body: str | None) -> Sequence[str]:
        """Let a body hold from now on, None for none; return why that cannot be."""
        problems = self._gateway.in_force(kind, body) if self._has_lamps else []
        if self._has_rules and kind is DesiredKind.LAMP_CONDITIONS and not problems:
            self._set_periods(_periods(read_conditions(body).conditions if body else [], self._now_ms()))
        return problems


def _periods(conditions: Iterable[Condition], now_ms: int) -> dict[str, tuple[int, int]]:
    """Return the periods; of several of one name, as lamps may have, the first that is not over."""
    found: dict[str, tuple[int, int]] = {}
    for it in sorted(conditions, key=lambda each: each.from_ms):
        if it.until_ms > now_ms:
            found.setdefault(it.condition, (it.from_ms, it.until_ms))
    return found


def _condition_problems(body: str) -> list[str]:
    try:
        read_conditions(body)
    except DocumentError as error:
        return error.problems
    return []
