"""What models of files have in common: strictness, names, titles."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

NAME_FORM = {"form": "lower-case letters, digits, - and _, beginning with a letter or digit"}
"""How messages say the pattern of a name."""


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no infinite numbers, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Title(Strict):
    """How people call it, in the two languages of the house."""

    en: str = Field(min_length=1, max_length=80)
    zh: str = Field(min_length=1, max_length=80)


def name_field(pattern: str, characters_max: int) -> Any:
    """Return the field of a name that is ``pattern``, for ``Annotated[str, …]``."""
    return Field(
        pattern=pattern.replace(r"\Z", "$"),  # pydantic's engine knows no \Z, and its $ is one
        max_length=characters_max,
        json_schema_extra={**NAME_FORM},
    )
