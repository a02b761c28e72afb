"""A file with what TALQ has no place for: a plan, of which only its head is taken, or that head alone."""

from typing import Any, Literal

from pydantic import Field

from lighting.plan import LAMPS_MAX, Cabinet, Name, Overrides, Place, Plan
from lighting.talq.names import BEYOND_RULES
from lighting.talq.reading import Frame
from toml_files import Strict, TomlFile


class FrameFile(Strict):
    """The file; ``talq_addresses`` says what TALQ's addresses are called here, as in ``Frame``."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name | None = None
    time_zone: str = Field(default=Plan.model_fields["time_zone"].default, max_length=64)
    place: Place | None = None
    conditions: list[Name] = Field(default=[], max_length=100)
    overrides: Overrides = Overrides()
    cabinets: list[Cabinet] = Field(default=[], max_length=LAMPS_MAX)
    talq_addresses: dict[str, str] = Field(default={}, max_length=LAMPS_MAX)
    programs: Any = None
    calendars: Any = None
    groups: Any = None
    assignments: Any = None


def framed(file: TomlFile) -> Frame:
    """Return what the file says; TomlFileError tells its mistakes."""
    said = file.parse(FrameFile)
    beyond = said.model_dump(mode="json", include=set(BEYOND_RULES), exclude_unset=True)
    return Frame(beyond | {"time_zone": said.time_zone}, said.talq_addresses)
