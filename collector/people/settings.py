"""How people sign in, and for how long what they did is kept."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from toml_files import Strict

AUDIT_DAYS_MIN = 184
"""The Cybersecurity Law (article 21) wants logs kept for six months at least."""


class People(Strict):
    """Passwords, sessions, tokens, the audit trail."""

    session_lifetime_s: Annotated[int, Field(ge=60, le=31 * 86_400)] = 12 * 3600
    session_idle_s: Annotated[int, Field(ge=60, le=31 * 86_400)] = 3600
    sessions_per_user_max: int = Field(default=20, ge=1, le=1000)
    users_max: int = Field(default=1000, ge=1, le=100_000)
    tokens_max: int = Field(default=1000, ge=1, le=100_000)
    refusals_free: int = Field(default=3, ge=0, le=100)
    lockout_max_s: Annotated[int, Field(ge=1, le=86_400)] = 900
    refusals_tracked_max: int = Field(default=10_000, ge=10, le=1_000_000)
    argon2_memory_kib: int = Field(default=65_536, ge=7_168, le=4_194_304)
    argon2_passes: int = Field(default=3, ge=1, le=100)
    argon2_lanes: int = Field(default=4, ge=1, le=64)
    audit_retention_days: int = Field(default=1100, ge=AUDIT_DAYS_MIN, le=36_500)

    @model_validator(mode="after")
    def _idles_within_its_life(self) -> Self:
        if self.session_idle_s > self.session_lifetime_s:
            raise ValueError("session_idle_s is longer than session_lifetime_s; lower it")
        return self
