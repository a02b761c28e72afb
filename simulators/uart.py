"""What a receiver makes of characters that were sent at another speed, or with another parity. Pure.

The line is drawn bit by bit as the sender holds it, and sampled in the middle of each bit as the receiver
counts them, from each falling edge on. A receiver looks at one stop bit, whatever it is set to.
"""

from typing import Literal, NamedTuple

Parity = Literal["N", "E", "O"]


class Format(NamedTuple):
    """Settings of one end of a serial line; eight data bits."""

    baud: int
    parity: Parity = "N"
    stop_bits: Literal[1, 2] = 1

    @property
    def bits(self) -> int:
        """Bits of a character: start, data, parity, stop."""
        return 9 + (self.parity != "N") + self.stop_bits


class Received(NamedTuple):
    """The characters as the receiver reads them, and how many of them it knows to be wrong."""

    data: bytes
    errors: int


def received(data: bytes, sent: Format, heard: Format, *, inverted: bool = False) -> Received:
    """Return what arrives; a character with wrong parity or stop bit is read as 0, as a port with INPCK does.

    ``inverted``: the two wires are swapped, so that rest is a break.
    """
    if sent[:2] == heard[:2] and not inverted:
        return Received(data, 0)
    levels = _levels(data, sent)
    if inverted:
        levels = [1 - level for level in levels]
    return _sampled(levels, sent.baud, heard)


def _levels(data: bytes, sent: Format) -> list[int]:
    """Return the line's level in each bit time; rest (1) before and after."""
    levels = [1] * 4
    for byte in data:
        bits = [byte >> index & 1 for index in range(8)]
        levels.append(0)
        levels += bits
        if sent.parity != "N":
            levels.append((sum(bits) + (sent.parity == "O")) % 2)
        levels += [1] * sent.stop_bits
    return levels + [1] * 16


def _sampled(levels: list[int], baud: int, heard: Format) -> Received:
    """Sample the line; a break is one character, and the next begins at the next falling edge."""
    data, errors = bytearray(), 0
    step = baud / heard.baud  # of the sender's bits in one of the receiver's
    at = 0.0
    while (edge := _falling_edge(levels, at)) is not None:
        bits = [_level(levels, edge + (index + 0.5) * step) for index in range(11)]
        value = sum(bit << index for index, bit in enumerate(bits[1:9]))
        wrong = False
        stop_at = 9
        if heard.parity != "N":
            wrong = (sum(bits[1:10]) + (heard.parity == "O")) % 2 != 0
            stop_at = 10
        wrong = wrong or not bits[stop_at]
        data.append(0 if wrong else value)
        errors += wrong
        at = edge + (stop_at + 0.5) * step
    return Received(bytes(data), errors)


def _falling_edge(levels: list[int], at: float) -> float | None:
    """Return where the line falls next, from ``at`` on, in the sender's bits."""
    index = max(1, int(at) + (at > int(at)))
    if index - 1 < len(levels) and not levels[min(int(at), len(levels) - 1)]:
        while index < len(levels) and not levels[index]:
            index += 1  # it has to rise first
    while index < len(levels):
        if levels[index] == 0 and levels[index - 1] == 1:
            return float(index)
        index += 1
    return None


def _level(levels: list[int], at: float) -> int:
    index = int(at)
    return levels[index] if index < len(levels) else levels[-1]
