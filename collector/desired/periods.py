"""Event periods of rules, told to gateways in the document that says which conditions hold there.

Lamps' plans and rules share it: what a plan names too, lamps heed as well. Every function runs inside a
transaction of its caller's, so that all gateways are told or none is.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from collector import registry
from collector.desired.book import DesiredBook, Push
from collector.lamps import hand as lamp_hand
from contract.desired import DesiredKind
from contract.limits import TIME_MS_MAX
from lighting import documents
from lighting.documents import Condition, Conditions

PERIODS_MAX = 100
"""So many of a gateway hold, or will, at once."""
NAMED_MAX = 20
"""So many names stand in one sentence."""


class PeriodError(ValueError):
    """What was asked for cannot be; the text says why and what to do."""


class PeriodDesk:
    """Holds and ends periods."""

    def __init__(self, book: DesiredBook, now_ms: Callable[[], int]) -> None:
        """``book`` signs and numbers what is pushed."""
        self._book, self._now_ms = book, now_ms

    def hold(
        self,
        connection: Connection,
        name: str,
        who: str,
        *,
        gateways: Sequence[str],
        start_ms: int | None = None,
        for_s: float,
    ) -> list[str]:
        """Say that a period holds for a time, 0: no more, whatever was said of it; return who is told.

        PeriodError or PushError, and nothing is changed. What is to hold no more ends where it does hold.
        """
        now_ms = self._now_ms()
        begins_ms = now_ms if start_ms is None else start_ms
        until_ms = begins_ms + round(for_s * 1000)
        if for_s and until_ms <= max(begins_ms, now_ms):
            raise PeriodError(
                f"{name} would be over at {until_ms} ms already; give a later start, or hold it longer"
            )
        if until_ms > TIME_MS_MAX:
            raise PeriodError(
                f"{name} would end at {until_ms} ms, later than {TIME_MS_MAX}; let it end sooner"
            )
        bodies = {}
        for gateway in gateways if for_s else self._holding(connection, name, gateways):
            standing = [it for it in self.standing(connection, gateway) if it.condition != name]
            if len(standing) >= PERIODS_MAX:
                raise PeriodError(f"{gateway} has {len(standing)} periods already; end some of them first")
            if for_s:
                standing.append(Condition(condition=name, from_ms=begins_ms, until_ms=until_ms))
            bodies[gateway] = documents.written(Conditions(conditions=standing))
        self._book.push(connection, Push(DesiredKind.LAMP_CONDITIONS, bodies, who))
        return sorted(bodies)

    def _holding(self, connection: Connection, name: str, gateways: Sequence[str]) -> list[str]:
        """Return at which of these it holds, or will; PeriodError where at none that is known."""
        standing = {
            gateway: {it.condition for it in self.standing(connection, gateway)} for gateway in gateways
        }
        holding = [gateway for gateway, names in standing.items() if name in names]
        unheard = [gateway for gateway in gateways if not registry.is_known(connection, gateway)]
        if not holding and not unheard:
            others = sorted(set().union(*standing.values()))[:NAMED_MAX]
            there = f"; what does is {', '.join(others)}" if others else "; nothing does"
            raise PeriodError(f"{name} does not hold at {', '.join(gateways[:NAMED_MAX])}{there}")
        return [*holding, *unheard]  # who was never heard is refused when it is pushed

    def standing(self, connection: Connection, gateway: str) -> list[Condition]:
        """Return the periods, and conditions of lamps, of a gateway that are not over."""
        return lamp_hand.conditions(connection, gateway, self._now_ms())
