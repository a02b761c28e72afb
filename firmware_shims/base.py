"""What a shim is: one named defect of real devices, with its evidence, its range and its end."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from device_profiles.schema import Profile, UnitCode

Version = tuple[int, ...]


class ShimError(ValueError):
    """A shim cannot be applied; the text says which, why and what to do."""


@dataclass(frozen=True)
class Shim:
    """One departure of real devices from their document.

    It holds for firmware from ``firmware_from`` (included) to ``firmware_before`` (excluded); None leaves
    that end open. What to do where nobody knows the firmware is answered by ``unknown_firmware``.
    """

    id: str
    profile: str
    """Id of the profile that it changes."""
    defect: str
    """What the device does otherwise than its document, in one sentence."""
    evidence: str
    """Where this was seen: a capture, a document, a version note."""
    firmware_from: str | None
    firmware_before: str | None
    unknown_firmware: Literal["apply", "refuse"]
    retires: str
    """When it may be removed."""
    change: Callable[[Profile], Profile]
    """The correction itself: pure, from the documented profile to the real one."""

    def apply(self, profile: Profile) -> Profile:
        """Return the corrected profile; ShimError if it is for another profile, or does not fit this one."""
        if profile.id != self.profile:
            raise ShimError(
                f"shim {self.id} is for profile {self.profile}, not {profile.id}; remove it from this device"
            )
        try:
            return self.change(profile)
        except ValueError as error:
            raise ShimError(f"shim {self.id} does not fit this version of {profile.id}: {error}") from error

    def check_firmware(self, firmware: str | None) -> None:
        """Raise ShimError unless the shim holds for that firmware; None means that nobody knows it."""
        if firmware is None:
            if self.unknown_firmware == "refuse":
                raise ShimError(
                    f"shim {self.id} needs to know the device's firmware ({self.range}); "
                    "give the device's firmware, or remove the shim"
                )
            return
        version = firmware_version(firmware)
        first = None if self.firmware_from is None else firmware_version(self.firmware_from)
        end = None if self.firmware_before is None else firmware_version(self.firmware_before)
        if (first is not None and version < first) or (end is not None and version >= end):
            raise ShimError(
                f"shim {self.id} holds for {self.range}, and this device has {firmware}; remove the shim"
            )

    @property
    def range(self) -> str:
        """The firmware range in words."""
        parts = []
        if self.firmware_from is not None:
            parts.append(f"firmware from {self.firmware_from}")
        if self.firmware_before is not None:
            parts.append(f"firmware before {self.firmware_before}")
        return ", ".join(parts) or "every firmware"


def with_unit_codes(profile: Profile, codes: Mapping[str, Mapping[int, float]]) -> Profile:
    """Return the profile with other unit codes: the factor of each code, by point."""
    return profile.with_points(
        point.model_copy(
            update={"unit_codes": [UnitCode(code=code, factor=factor) for code, factor in own.items()]}
        )
        if (own := codes.get(point.name))
        else point
        for point in profile.points
    )


def firmware_version(text: str) -> Version:
    """Return (2, 10) for "2.10", "V2.10" or "2.10.0"; ShimError for what is no row of numbers."""
    if not re.fullmatch(r"[vV]?[0-9]{1,9}(\.[0-9]{1,9}){0,7}", text, re.ASCII):
        raise ShimError(f"firmware {text[:40]!r} is no version; write numbers with points, as 2.10")
    numbers = [int(number) for number in text.lstrip("vV").split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
