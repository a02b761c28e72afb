"""How characters travel on a serial line: speed, parity, stop bits. Pure."""

from typing import Literal, NamedTuple

Parity = Literal["N", "E", "O"]


class Format(NamedTuple):
    """The settings of a serial port; two ends that differ do not understand each other."""

    baud: int
    parity: Parity = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8

    def __str__(self) -> str:
        """As technicians write it: 9600 8N1."""
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"

    @property
    def character_ns(self) -> int:
        """How long one character takes: start bit, data, parity, stop bits."""
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return bits * 1_000_000_000 // self.baud

    @property
    def silence_ns(self) -> int:
        """The silence that ends a frame: 3.5 characters, above 19200 baud 1.75 ms."""
        return 1_750_000 if self.baud > 19_200 else self.character_ns * 7 // 2
