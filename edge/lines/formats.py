"""How characters travel on a serial line: speed, parity, stop bits. Pure."""

import re
from typing import Literal, NamedTuple

Parity = Literal["N", "E", "O"]
FORMAT_PATTERN = "^[0-9]{3,7}[- ]?[78][NEOneo][12]$"


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


def read_format(text: str) -> Format:
    """Return the format that is written as 9600-8N1; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]{3,7})[- ]?([78])([NEO])([12])", text.strip().upper(), re.ASCII)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no format; write it as 9600-8N1")
    baud, bits, parity, stop = match.groups()
    kinds: dict[str, Parity] = {"N": "N", "E": "E", "O": "O"}
    return Format(int(baud), kinds[parity], 2 if stop == "2" else 1, 7 if bits == "7" else 8)
