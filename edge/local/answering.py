"""What a request of the local socket comes to: asked of the rules, told as an answer."""

from collections.abc import AsyncGenerator, Iterable

from contract.names import TimeMs
from edge.by_hand import ByHand, Refusal
from edge.clock import Clock
from edge.local.commissioning import Commissioning
from edge.local.points import Points
from edge.local.watching import Watching
from edge.local.words import (
    Answer,
    AskedOnce,
    Explain,
    FactTold,
    Lock,
    Maintain,
    Manual,
    News,
    OfPoints,
    OwnPort,
    Ports,
    Refused,
    Release,
    Reset,
    State,
    Streamed,
    Unlock,
    Watch,
    WhyTold,
)
from edge.rules.why import Why


class Answering:
    """Answers requests of people whose names are known."""

    def __init__(
        self,
        gateway: str,
        by_hand: ByHand,
        clock: Clock,
        commissioning: Commissioning | None = None,
        points: Points | None = None,
        watching: Watching | None = None,
    ) -> None:
        """``by_hand`` asks the rules, ``commissioning`` the lines, ``points`` the devices."""
        self._gateway, self._by_hand, self._clock = gateway, by_hand, clock
        self.commissioning, self._points, self._watching = commissioning, points, watching

    def answer(self, request: AskedOnce) -> Answer:
        """Do what is asked, and say what came of it."""
        by_hand = self._by_hand
        try:
            match request:
                case Explain() | State() | Ports():
                    return self._looked(request)
                case Maintain(device, for_s, who):
                    return self._told(until_ms=by_hand.maintain(device, who, for_s))
                case Reset(alarm, who):
                    by_hand.reset(alarm, who)
                    return self._told()
                case Lock() | Unlock() | Manual() | Release():
                    return self._of_outputs(request)
        except Refusal as refused:
            return self._told(refused=str(refused))

    def stream(self, request: Streamed) -> AsyncGenerator[News, None]:
        """Do what takes long, and yield how far it is and what came of it."""
        if isinstance(request, Watch):
            return self._watching.stream(request, self._by_hand) if self._watching else _nothing()
        if isinstance(request, OfPoints):
            return self._points.stream(request) if self._points else _nothing()
        return self.commissioning.stream(request) if self.commissioning else _nothing()

    def _looked(self, request: Explain | State | Ports) -> Answer:
        match request:
            case Explain(name):
                return self._told(rules=[self._by_hand.explain(name)])
            case State():
                return self._told(rules=self._by_hand.state())
            case Ports():
                return self._told(ports=self.commissioning.ports() if self.commissioning else [])

    def _of_outputs(self, request: Lock | Unlock | Manual | Release) -> Answer:
        by_hand, until_ms = self._by_hand, 0
        match request:
            case Lock(name, who):
                outputs = by_hand.lock(name, who)
            case Unlock(name, who):
                outputs = by_hand.unlock(name, who)
            case Release(name, who):
                outputs = by_hand.release(name, who)
            case Manual(name, on, for_s, who):
                output, until_ms = by_hand.manual(name, who, on=on, for_s=for_s)
                outputs = [output]
        return self._told(outputs=outputs, until_ms=until_ms, rules=by_hand.about(outputs))

    def refused(self, text: str) -> Answer:
        """Return an answer to what is no request."""
        return self._told(refused=text)

    def _told(
        self,
        *,
        refused: str = "",
        until_ms: TimeMs = 0,
        rules: Iterable[Why] = (),
        outputs: Iterable[str] = (),
        ports: Iterable[OwnPort] = (),
    ) -> Answer:
        now = self._clock.now()
        told = [
            WhyTold(why.name, why.kind, why.state, why.since_s, [FactTold(*fact) for fact in why.facts])
            for why in rules
        ]
        return Answer(
            self._gateway, now.wall_ms, now.clock, refused, until_ms, told, list(outputs), list(ports)
        )


async def _nothing() -> AsyncGenerator[News, None]:
    yield Refused("this gateway has no lines to work on")
