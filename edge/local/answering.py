"""What a request of the local socket comes to: asked of the rules, told as an answer."""

from contract.names import TimeMs
from edge.by_hand import ByHand, Refusal
from edge.clock import Clock
from edge.local.commissioning import Commissioning
from edge.local.words import (
    Answer,
    Explain,
    FactTold,
    Lock,
    Maintain,
    Manual,
    OwnPort,
    Ports,
    Release,
    Request,
    Reset,
    State,
    Unlock,
    WhyTold,
)
from edge.rules.why import Why


class Answering:
    """Answers requests of people whose names are known."""

    def __init__(
        self, gateway: str, by_hand: ByHand, clock: Clock, commissioning: Commissioning | None = None
    ) -> None:
        """``by_hand`` asks the rules, ``commissioning`` the lines."""
        self._gateway, self._by_hand, self._clock = gateway, by_hand, clock
        self.commissioning = commissioning

    def answer(self, request: Request) -> Answer:
        """Do what is asked, and say what came of it."""
        if isinstance(request, Ports):
            return self._told(ports=self.commissioning.ports() if self.commissioning else [])
        try:
            rules = self._rules(request)
            return self._told(rules=rules, until_ms=self._done(request))
        except Refusal as refused:
            return self._told(refused=str(refused))

    def refused(self, text: str) -> Answer:
        """Return an answer to what is no request."""
        return self._told(refused=text)

    def _rules(self, request: Request) -> list[Why]:
        match request:
            case Explain(name):
                return [self._by_hand.explain(name)]
            case State():
                return self._by_hand.state()
        return []

    def _done(self, request: Request) -> int:
        """Return until when it holds; 0 where that has no end, or is no question."""
        match request:
            case Lock(output, who):
                self._by_hand.lock(output, who)
            case Unlock(output, who):
                self._by_hand.unlock(output, who)
            case Manual(output, on, for_s, who):
                return self._by_hand.manual(output, who, on=on, for_s=for_s)
            case Release(output, who):
                self._by_hand.release(output, who)
            case Maintain(device, for_s, who):
                return self._by_hand.maintain(device, who, for_s)
            case Reset(alarm, who):
                self._by_hand.reset(alarm, who)
        return 0

    def _told(
        self,
        *,
        refused: str = "",
        until_ms: TimeMs = 0,
        rules: list[Why] | None = None,
        ports: list[OwnPort] | None = None,
    ) -> Answer:
        now = self._clock.now()
        told = [
            WhyTold(why.name, why.kind, why.state, why.since_s, [FactTold(*fact) for fact in why.facts])
            for why in rules or ()
        ]
        return Answer(self._gateway, now.wall_ms, now.clock, refused, until_ms, told, ports or [])
