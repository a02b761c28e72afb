"""Settings of the register: what codes the city has, how much an import may hold."""

from typing import Annotated

from pydantic import Field, field_validator

from collector.parts.checking import Rules
from collector.parts.codes import CodeRules, Minor, is_division, shipped_minors
from collector.parts.importing import ImportLimits
from toml_files import Strict

MIB = 1024**2
Division = Annotated[
    str,
    Field(pattern="^[0-9]{6,15}$", json_schema_extra={"form": "6 to 15 digits: district, street, community"}),
]


class PartSettings(Strict):
    """How the register of parts and grids is kept."""

    parts_file_gcj02: bool = False
    divisions: list[Division] = Field(default=[], max_length=64)
    grid_tolerance_m: Annotated[float, Field(ge=0, le=10_000)] = 20
    rows_max: int = Field(default=200_000, ge=1, le=2_000_000)
    register_max: int = Field(default=1_000_000, ge=1, le=10_000_000)
    import_bytes_max: int = Field(default=128 * MIB, ge=1024, le=1024 * MIB)
    problems_max: int = Field(default=100, ge=1, le=10_000)
    minors: list[Minor] = Field(default=[], max_length=1000)

    @field_validator("divisions")
    @classmethod
    def _can_be_divisions(cls, divisions: list[str]) -> list[str]:
        for each in divisions:
            if not is_division(each[:6]):
                raise ValueError(f"{each!r} begins with no division of GB/T 2260; write that of the district")
        return divisions

    @field_validator("minors")
    @classmethod
    def _are_given_once(cls, minors: list[Minor]) -> list[Minor]:
        codes = [each.code for each in minors]
        for code in codes:
            if codes.count(code) > 1:
                raise ValueError(f"class {code} is given twice; keep one of them")
        return minors

    def rules(self, *, gcj02: bool) -> Rules:
        """Return what is taken; ``gcj02``: places are given so."""
        minors = {**shipped_minors(), **{each.code: each.name for each in self.minors}}
        return Rules(CodeRules(minors, tuple(self.divisions)), gcj02=gcj02)

    def limits(self) -> ImportLimits:
        """Return how much an import may hold."""
        return ImportLimits(self.rows_max, self.register_max, self.problems_max, self.grid_tolerance_m)
