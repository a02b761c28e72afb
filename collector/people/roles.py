"""Who acts, and in which role."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is at the centre for; an administrator may do everything."""

    READ_ONLY = "read_only"
    TECHNICIAN = "technician"
    LIGHTING = "lighting"
    COMMAND = "command"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, or a program with a token of its own."""

    name: str
    role: Role

    def may(self, *roles: Role) -> bool:
        """Say whether one of these roles is theirs; an administrator has them all."""
        return self.role in (Role.ADMINISTRATOR, *roles)


LOCAL = Actor("local", Role.ADMINISTRATOR)
"""Whoever comes from this machine while there are no users."""
CENTRE = Actor("centre", Role.ADMINISTRATOR)
"""The centre itself: its timers and rules."""
