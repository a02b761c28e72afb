"""How the exchange upward is kept."""

from typing import Annotated

from pydantic import Field

from toml_files import Strict


class Exchange(Strict):
    """What is told to whoever is above: a province, a nation."""

    feeds: list[Annotated[str, Field(pattern="^(parts|cases|sensing)$")]] = Field(default=[], max_length=3)
    compare_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 300
    lines_max: int = Field(default=1_000_000, ge=1_000, le=100_000_000)
    page_bytes_max: int = Field(default=4 * 1024**2, ge=64 * 1024, le=64 * 1024**2)
