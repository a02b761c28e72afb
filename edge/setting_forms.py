"""Forms of single values in the settings: names, points, times, hosts; each checked as it is read."""

from typing import Annotated

from pydantic import AfterValidator, Field

from contract.limits import NAME_CHARACTERS_MAX
from device_profiles.schema import ProfileName

Name = ProfileName
PointName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*$",
        max_length=2 * NAME_CHARACTERS_MAX + 1,
        json_schema_extra={"form": "device/point"},
    ),
]
"""``device/point``."""

Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]
SecondsOrNone = Annotated[float, Field(ge=0, le=31 * 86400)]


def _resolvable(host: str) -> str:
    """Refuse what no resolver takes: sockets raise for it, and not as they do for a lost connection."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(
            f"{host!r} cannot be a host; give a name, without empty or overlong parts, or an address"
        ) from error
    return host


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_resolvable)]
