"""Formats as technicians write them, and what they mean for the wire."""

import pytest

from edge.lines.formats import Format, read_format


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("9600-8N1", Format(9600)),
        ("19200 8e1", Format(19_200, "E")),
        ("1200-7O2", Format(1200, "O", 2, 7)),
    ],
)
def test_a_format_is_read_as_it_is_written(text: str, entry: Format) -> None:
    """With a blank or a dash, in either case."""
    assert read_format(text) == entry
    assert read_format(str(entry)) == entry


@pytest.mark.parametrize("text", ["", "9600", "9600-9N1", "9600-8X1", "9600-8N3", "x-8N1", "٩٦٠٠-8N1"])
def test_anything_else_is_no_format(text: str) -> None:
    """And that is told with the right form."""
    with pytest.raises(ValueError, match="write it as 9600-8N1"):
        read_format(text)


def test_a_character_takes_its_bits() -> None:
    """Ten of them without parity, eleven with it or with a second stop bit."""
    assert Format(9600).character_ns == 10 * 10**9 // 9600
    assert Format(9600, "E").character_ns == Format(9600, "N", 2).character_ns == 11 * 10**9 // 9600
    assert Format(9600, "E", 1, 7).character_ns == Format(9600).character_ns
    assert Format(19_200).silence_ns == Format(19_200).character_ns * 7 // 2
    assert Format(115_200).silence_ns == 1_750_000
