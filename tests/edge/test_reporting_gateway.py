"""Report policies in the whole gateway, on virtual time: rules see what is neither kept nor sent."""

from pathlib import Path

from contract.samples import Quality
from edge.buffer.store import Buffer
from edge.reporting import SHORT_INTERVAL
from edge.settings import EXAMPLE
from tests.edge.test_dust_rule import CABINET, told
from tests.edge.virtual_gateway import VirtualSite, after

MINUTE_S = 60.0


def site(folder: Path, text: str) -> VirtualSite:
    """Return the dusty morning under settings of this text."""
    folder.mkdir()
    file = folder / "edge.toml"
    file.write_text(text)
    return VirtualSite(file, CABINET, folder)


def without_policies(text: str) -> str:
    """Return the example without its [[devices.report]] tables."""
    tables = text.split("\n[[")
    return "\n[[".join(table for table in tables if not table.startswith("devices.report]]"))


def test_the_spray_does_the_same_while_a_tenth_is_sent(tmp_path: Path) -> None:
    """The example's policies against none, the same morning: the same runs, and the counts add up."""
    thinned = site(tmp_path / "thinned", EXAMPLE.read_text())
    whole = site(tmp_path / "whole", without_policies(EXAMPLE.read_text()))
    tallies = {}

    async def look(_: VirtualSite, gateway: object) -> None:
        tallies.update(gateway.reporting.tallies)  # type: ignore[attr-defined]

    thinned.run(after(60 * MINUTE_S), look)
    whole.run(after(60 * MINUTE_S))
    assert told(thinned) == told(whole) != []
    dust = [each for each in thinned.samples() if each.point == "pm10"]
    every = [each for each in whole.samples() if each.point == "pm10"]
    assert len(every) > 600
    assert len(dust) <= 12 + 3
    [means] = [[each for each in dust if each.time_ms % 300_000 == 299_999]]
    assert len(means) >= 11
    assert all(each.quality is Quality.GOOD for each in means[1:])
    temperature = [each for each in thinned.samples() if each.point == "temperature"]
    assert len(temperature) < len(every) / 4
    noise = [len([each for each in run.samples() if each.point == "noise"]) for run in (thinned, whole)]
    assert noise[0] == noise[1]
    sent = [each for each in thinned.samples() if each.device == "station"]
    assert len(sent) == tallies["station"].reported
    assert len([each for each in whole.samples() if each.device == "station"]) == tallies["station"].measured


def test_a_stopping_gateway_sends_the_means_it_has_begun(tmp_path: Path) -> None:
    """Two minutes into an interval of five they are marked as short."""
    subject = site(tmp_path / "site", EXAMPLE.read_text())
    subject.run(after(2 * MINUTE_S))
    dust = [each for each in subject.samples() if each.point == "pm10"]
    assert [each.error for each in dust] == ["", SHORT_INTERVAL]
    buffer = Buffer(subject.state / "buffer.db", "north", "site-1", "0" * 32, lambda: "1" * 32)
    assert buffer.owed == []
    buffer.close()
