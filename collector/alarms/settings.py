"""The settings of alarms at the centre."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from collector.alarms.chatter import Chatter
from collector.alarms.flood import Flood
from collector.alarms.inhibition import InhibitRule
from collector.alarms.labels import LABELS, Matcher, MatcherError, matcher, matchers
from toml_files import Strict

INHIBIT_RULES_MAX = 50
HOUR_MS = 3_600_000


def _is_matcher(text: str) -> str:
    try:
        matcher(text)
    except MatcherError as error:
        raise ValueError(str(error)) from error
    return text


MatcherText = Annotated[str, Field(min_length=1, max_length=600), AfterValidator(_is_matcher)]
Hours = Annotated[float, Field(gt=0, le=31 * 24)]
Seconds = Annotated[float, Field(ge=1, le=86_400)]


class InhibitRuleSettings(Strict):
    """While an alarm that matches the source is active, those that match the target are suppressed."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
    source_matchers: list[MatcherText] = Field(min_length=1, max_length=20)
    target_matchers: list[MatcherText] = Field(min_length=1, max_length=20)
    equal: list[str] = Field(default=[], max_length=len(LABELS))

    @field_validator("source_matchers", "target_matchers")
    @classmethod
    def _name_something(cls, texts: list[str]) -> list[str]:
        try:
            matchers(texts)
        except MatcherError as error:
            raise ValueError(str(error)) from error
        return texts

    @field_validator("equal")
    @classmethod
    def _are_labels(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in LABELS:
                raise ValueError(f"{name!r} is no label; there are {', '.join(LABELS)}")
        return names

    def rule(self) -> InhibitRule:
        """Return the rule."""
        return InhibitRule(
            self.name, matchers(self.source_matchers), matchers(self.target_matchers), tuple(self.equal)
        )


GATEWAY_OFFLINE = InhibitRuleSettings(
    name="gateway-offline",
    source_matchers=['problem="gateway_offline"'],
    target_matchers=['condition="stale"'],
    equal=["gateway"],
)


class AlarmSettings(Strict):
    """How alarms live at the centre."""

    shelve_max_h: Hours = 24
    silence_max_h: Hours = 168
    silences_max: int = Field(default=200, ge=1, le=10_000)
    latching: list[MatcherText] = Field(default=[], max_length=100)
    chattering_count: int = Field(default=3, ge=2, le=100)
    chattering_within_s: Seconds = 60
    chattering_quiet_s: Seconds = 300
    flood_begins_above: int = Field(default=10, ge=1, le=10_000)
    flood_ends_below: int = Field(default=5, ge=1, le=10_000)
    stale_h: Hours = 24
    inhibit_rules: list[InhibitRuleSettings] = Field(default=[GATEWAY_OFFLINE], max_length=INHIBIT_RULES_MAX)

    @model_validator(mode="after")
    def _ends_lower(self) -> Self:
        if self.flood_ends_below > self.flood_begins_above:
            raise ValueError(
                "flood_ends_below is more than flood_begins_above: a flood would end as it begins"
            )
        names = [rule.name for rule in self.inhibit_rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"inhibit rule {name!r} is given twice; give each a name of its own")
        return self

    @property
    def shelve_max_ms(self) -> int:
        """Return the longest shelving."""
        return round(self.shelve_max_h * HOUR_MS)

    @property
    def stale_ms(self) -> int:
        """Return how long an alarm is active that is stale."""
        return round(self.stale_h * HOUR_MS)

    @property
    def silence_max_ms(self) -> int:
        """Return the longest silence."""
        return round(self.silence_max_h * HOUR_MS)

    @property
    def chatter(self) -> Chatter:
        """Return what chattering is."""
        return Chatter(
            self.chattering_count,
            round(self.chattering_within_s * 1000),
            round(self.chattering_quiet_s * 1000),
        )

    @property
    def flood(self) -> Flood:
        """Return what a flood is."""
        return Flood(self.flood_begins_above, self.flood_ends_below)

    @property
    def latched_by(self) -> tuple[Matcher, ...]:
        """Return what latches an alarm; any of these does."""
        return tuple(matcher(text) for text in self.latching)
