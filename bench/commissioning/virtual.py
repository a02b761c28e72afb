"""A sweep over a model of the wire, without a port or a clock: what it finds, and when it would have."""

from typing import NamedTuple

from edge.commissioning.sweep import Heard, Sweep
from edge.lines.port import SLACK_S
from simulators.mixed_wire import MixedWire
from simulators.uart import Format

BEGINS_NS = 10**9


class Swept(NamedTuple):
    """How long the sweep took on the model's clock, and the last find; seconds."""

    took_s: float
    last_found_s: float


def swept(sweep: Sweep, wire: MixedWire | None, limit_s: float = 3600) -> Swept:
    """Carry out the sweep; None: nobody is on the line. Answers are awaited as a port does."""
    now_ns, last_s = BEGINS_NS, 0.0
    slack_ns = int(SLACK_S * 1e9)
    while (ask := sweep.next()) is not None and now_ns < limit_s * 1e9:
        entry = ask.format
        sent_ns = now_ns + len(ask.data) * entry.character_ns
        until_ns = sent_ns + int(ask.patience_s * 1e9) + entry.character_ns + slack_ns
        heard, first_ns = b"", 0
        if wire is not None:
            wire.master = Format(entry.baud, entry.parity, entry.stop_bits)
            heard = wire.receive(now_ns)
            wire.send(ask.data, now_ns)
            while (due_ns := wire.next_arrival_ns()) is not None and due_ns <= until_ns:
                heard += wire.receive(due_ns)
                first_ns = first_ns or due_ns
                until_ns = due_ns + entry.silence_ns + slack_ns
                if ask.protocol.is_whole(ask.data, heard):
                    until_ns = due_ns + entry.silence_ns
        first_s = max(0.0, (first_ns - sent_ns - entry.character_ns) / 1e9) if first_ns else None
        now_ns = until_ns
        if sweep.took(ask, Heard(heard, first_s), (now_ns - BEGINS_NS) / 1e9):
            last_s = (now_ns - BEGINS_NS) / 1e9
    return Swept((now_ns - BEGINS_NS) / 1e9, last_s)
