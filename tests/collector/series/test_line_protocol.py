"""Lines: read again by the book, they are the samples they were made of."""

import math
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.series import line_protocol
from contract import blocks
from contract.limits import INTEGER_MAX
from contract.names import NAME_PATTERN
from contract.samples import ClockState, Quality, Sample
from tests.collector.making import NOW_MS, telemetry

LINE = re.compile(
    r"(?P<point>[^\s,=\"\\]+),gateway=(?P<gateway>[^\s,=\"\\]+),device=(?P<device>[^\s,=\"\\]+) "
    r"(?P<fields>[a-z]+=(?:\"(?:[^\"\\\n]|\\[\"\\])*\"|[^\s,\"]+)"
    r"(?:,[a-z]+=(?:\"(?:[^\"\\\n]|\\[\"\\])*\"|[^\s,\"]+))*) (?P<time>[0-9]+)"
)
FIELD = re.compile(r"([a-z]+)=(?:\"((?:[^\"\\]|\\[\"\\])*)\"|([^\s,\"]+))")


def read(line: str) -> tuple[tuple[str, str, str, int], dict[str, Any]]:
    """Take a line apart as the protocol's page says; (gateway, device, point, time) and the fields."""
    whole = LINE.fullmatch(line)
    assert whole, line
    fields: dict[str, Any] = {}
    for name, text, plain in FIELD.findall(whole["fields"]):
        if plain:
            fields[name] = int(plain[:-1]) if plain.endswith("i") else float(plain)
        else:
            fields[name] = re.sub(r"\\([\"\\])", r"\1", text)
    return (whole["gateway"], whole["device"], whole["point"], int(whole["time"])), fields


def made(samples: list[Sample]) -> list[str]:
    """Return the lines of a batch of these samples."""
    lifted = blocks.lift(telemetry(1, samples))
    return [line for some in line_protocol.lines("gw-1", lifted) for line in some]


def expected(sample: Sample) -> dict[str, Any]:
    """Return the fields of a sample, told another way."""
    value = sample.value
    fields: dict[str, Any] = {}
    if isinstance(value, str):
        fields["text"] = re.sub(r"[\n\r\0]", " ", value)
    elif value is not None and math.isfinite(value):
        fields["value"] = float(value)
    elif value is not None:
        fields["text"] = repr(value)
    quality = list(Quality).index(sample.quality)
    if quality or not fields:
        fields["quality"] = quality
    if sample.error:
        fields["error"] = re.sub(r"[\n\r\0]", " ", sample.error)
    if sample.clock is not ClockState.SYNCHRONISED:
        fields["clock"] = list(ClockState).index(sample.clock)
    return fields


names = st.from_regex(NAME_PATTERN).map(lambda name: name[:64])
texts = st.text(max_size=40) | st.sampled_from(['say "hi"', "back\\slash", "a\nb", "x=1,y=2 3", "井盖", "\\"])
values = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats()
    | st.decimals(-1000, 1000, places=2).map(float)
    | texts
)


@st.composite
def batches(draw: st.DrawFn) -> list[Sample]:
    """Draw samples of some series, each in order of time; some series are numbers only."""
    found: list[Sample] = []
    series = st.lists(st.tuples(names, names), min_size=1, max_size=4, unique=True)
    for device, point in draw(series):
        some = draw(st.sampled_from([values, st.booleans(), st.floats(-1e6, 1e6), st.just(21.5)]))
        plain = draw(st.booleans())
        found += [
            Sample(
                NOW_MS + number * 1000,
                device,
                point,
                draw(some),
                Quality.GOOD if plain else draw(st.sampled_from(Quality)),
                "" if plain else draw(texts),
                ClockState.SYNCHRONISED if plain else draw(st.sampled_from(ClockState)),
            )
            for number in range(draw(st.integers(1, 6)))
        ]
    return found


@given(batches())
def test_every_sample_is_one_line_that_says_what_it_was(samples: list[Sample]) -> None:
    """Values to the last bit, texts but for line ends, and what is not plainly good."""
    lines = [read(line) for line in made(samples)]
    assert len(lines) == len(samples)
    found = dict(lines)
    for sample in samples:
        fields = found[("gw-1", sample.device, sample.point, sample.time_ms)]
        told = expected(sample)
        assert fields == told
        if "value" in told:
            assert math.copysign(1, fields["value"]) == math.copysign(1, told["value"])


def test_the_lines_look_so() -> None:
    """The page on the schema shows these."""
    bad = Sample(NOW_MS, "meter", "flow", None, Quality.BAD, "timeout", ClockState.HOLDOVER)
    samples = [
        Sample(NOW_MS, "meter", "pressure", 151.25),
        bad,
        Sample(NOW_MS, "relay", "valve", True),
        Sample(NOW_MS, "relay", "mode", 'local "1"'),
    ]
    assert made(samples) == [
        f'flow,gateway=gw-1,device=meter quality=4i,error="timeout",clock=1i {NOW_MS}',
        f"pressure,gateway=gw-1,device=meter value=151.25 {NOW_MS}",
        f'mode,gateway=gw-1,device=relay text="local \\"1\\"" {NOW_MS}',
        f"valve,gateway=gw-1,device=relay value=1 {NOW_MS}",
    ]
