"""What a hand may write: nothing that a control has, by whatever point its register is reached."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.events import PointWritten, WriteOutcome
from contract.samples import Quality
from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.commands import Look
from edge.drivers.modbus import Looked
from edge.local.points import Points
from edge.local.words import Refused, WritePoint, WriteTold
from edge.rules.effects import Write
from edge.settings import SerialLine, Settings
from tests.edge.test_by_hand import SETTINGS, Clock

HOLDING = {"table": "holding_register", "writable": True}


def point(name: str, address: int, **more: object) -> dict[str, object]:
    """Return a point of the board."""
    return {"name": name, "title": {"en": name, "zh": name}, "address": address, **HOLDING, **more}


BOARD = Profile.model_validate(
    {
        "schema": 1,
        "id": "board",
        "title": {"en": "board", "zh": "板"},
        "vendor": "m",
        "models": ["b"],
        "document": "d",
        "modbus": {"mask_write": True},
        "points": [
            point("relay_1", 0, type="bool", bit=0),
            point("relay_2", 0, type="bool", bit=1),
            point("all_relays", 0),
            point("level", 1),
        ],
    }
)


@dataclass
class Doing:
    """A gateway whose devices take everything."""

    stopping: bool = False
    wrote: list[Write] = field(default_factory=list)
    events: list[PointWritten] = field(default_factory=list)
    held: bool = True
    answers: bool = True

    def owners(self) -> Mapping[str, str]:
        """One output is a control's."""
        return {"relays/relay_1": "spray"} if self.held else {}

    def locks(self) -> Mapping[str, tuple[str, int]]:
        """Nothing is locked."""
        return {}

    async def look(self, look: Look) -> Looked:
        """It is 0, or nobody answers."""
        if not self.answers:
            return Looked(Reading(None, Quality.BAD, "timeout"), {}, None, 1)
        return Looked(Reading(0), {}, 0.01, 1)

    async def write_by_hand(self, write: Write, stands: Callable[[], bool]) -> str:
        """Take it if it stands; meanwhile somebody may have taken the output."""
        assert [event.outcome for event in self.events] == [WriteOutcome.BEGUN]
        if not stands():
            return "withdrawn"
        self.wrote.append(write)
        return ""

    async def record(self, event: PointWritten) -> bool:
        """Take it."""
        self.events.append(event)
        return True


def asked(doing: Doing, point: str, value: bool | float, settings: Settings = SETTINGS) -> WriteTold | str:
    """Return what becomes of a writing."""
    profiles = {device.name: BOARD for device in settings.devices}
    points = Points(settings, profiles, doing, Clock(), lambda: "a" * 32)

    async def ask() -> WriteTold | str:
        async for news in points.stream(WritePoint(point, value, "li")):
            if isinstance(news, WriteTold):
                return news
            assert isinstance(news, Refused)
            return news.text
        raise AssertionError("it says nothing")

    return asyncio.run(ask())


@pytest.mark.parametrize("name", ["relay_1", "all_relays"])
def test_no_point_leads_round_a_control(name: str) -> None:
    """Neither the output itself nor the register that its bit lies in; nothing is sent or recorded."""
    doing = Doing()
    told = asked(doing, f"relays/{name}", 1)
    assert "spray has relays/relay_1" in str(told)
    assert (doing.wrote, doing.events) == ([], [])
    assert isinstance(asked(Doing(held=False), f"relays/{name}", 1), WriteTold)


def by_two_lines(unit_id: int, folder: Path) -> Settings:
    """Return settings of two lines by other paths to one port, each with a device."""
    [relays] = SETTINGS.devices
    (folder / "port").touch()
    (folder / "link").symlink_to("port")
    lines = [
        SerialLine(kind="serial", name=name, port=str(folder / name), baud=9600) for name in ("port", "link")
    ]
    twin = relays.model_copy(update={"name": "twin", "line": "link", "unit_id": unit_id})
    devices = [relays.model_copy(update={"line": "port"}), twin]
    return SETTINGS.model_copy(update={"lines": lines, "devices": devices})


def test_no_second_line_leads_round_a_control(tmp_path: Path) -> None:
    """A port may have been plugged in since the settings were looked at; another unit on it is free."""
    unit_id, doing = SETTINGS.devices[0].unit_id, Doing()
    told = asked(doing, "twin/relay_1", 1, by_two_lines(unit_id, tmp_path))
    assert "spray has relays/relay_1" in str(told)
    assert (doing.wrote, doing.events) == ([], [])
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    assert isinstance(asked(Doing(), "twin/relay_1", 1, by_two_lines(unit_id + 1, tmp_path)), WriteTold)


def test_a_neighbouring_bit_and_a_neighbouring_register_are_free() -> None:
    """On record before and after."""
    for name, value in (("relay_2", True), ("level", 7)):
        doing = Doing()
        told = asked(doing, f"relays/{name}", value)
        assert isinstance(told, WriteTold)
        assert [event.outcome for event in doing.events] == [WriteOutcome.BEGUN, WriteOutcome.DONE]
        assert [write.value for write in doing.wrote] == [value]


def test_where_nobody_answers_nothing_is_written() -> None:
    """Nor recorded: nothing was begun."""
    doing = Doing(answers=False)
    assert "does not answer (timeout)" in str(asked(doing, "relays/level", 7))
    assert (doing.wrote, doing.events) == ([], [])


def test_a_stopping_gateway_writes_nothing() -> None:
    """It says so."""
    assert asked(Doing(stopping=True), "relays/level", 7) == "the gateway is stopping"
