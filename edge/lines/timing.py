"""What a serial line's speed and settings mean in nanoseconds."""

from dataclasses import dataclass
from typing import Literal

from edge.lines.line import WireCost

SILENCE_ABOVE_19200_NS = 1_750_000
FRAME_CHARACTERS_MAX = 256
BROADCAST_TURNAROUND_S = 0.2
PORT_SLACK_S, NETWORK_SLACK_S = 0.03, 0.2
"""How much later than the wire says bytes may reach us from a port here, and over a network."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What the wire's speed means in nanoseconds."""

    character_ns: int
    silence_ns: int
    turnaround_ns: int
    """Extra rest before each request, beyond the silence, for slow transceivers."""
    late_answer_ns: int
    """How late after its timeout an answer may still begin; nothing confusable is sent meanwhile."""
    settle_limit_ns: int
    """Longest wait for the line to fall silent: no less than the longest frame takes."""
    slack_ns: int
    """How much later than the wire says bytes may reach us: scheduler, USB adapter."""
    broadcast_turnaround_ns: int
    """Rest after a broadcast: nobody answers, so nothing else shows that the units have taken it."""
    paced: bool = True
    """Whether bytes take their time: those of a pty, or over TCP, may come sooner than a wire brings them."""

    @classmethod
    def of(
        cls,
        baud: int,
        parity: Literal["N", "E", "O"],
        stop_bits: int,
        *,
        turnaround_s: float = 0,
        broadcast_turnaround_s: float = BROADCAST_TURNAROUND_S,
        late_answer_s: float = 0.2,
        settle_limit_s: float = 0.5,
        slack_s: float = PORT_SLACK_S,
        data_bits: int = 8,
        paced: bool = True,
    ) -> "Timing":
        """Return the timing of a serial line; a character is 1 start bit, data, parity and stop bits."""
        bits = 1 + data_bits + stop_bits + (parity != "N")
        character_ns = bits * 1_000_000_000 // baud
        return cls(
            character_ns,
            SILENCE_ABOVE_19200_NS if baud > 19200 else character_ns * 7 // 2,
            int(turnaround_s * 1e9),
            int(late_answer_s * 1e9),
            max(int(settle_limit_s * 1e9), FRAME_CHARACTERS_MAX * character_ns),
            int(slack_s * 1e9),
            int(broadcast_turnaround_s * 1e9),
            paced,
        )

    @property
    def cost(self) -> WireCost:
        """What reading costs on a line of this timing, as read plans weigh it."""
        return WireCost(self.character_ns / 1e9, (2 * self.silence_ns + self.turnaround_ns) / 1e9)
