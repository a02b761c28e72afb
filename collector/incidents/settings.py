"""The settings of incidents: which alarms belong together, and how long an incident lasts."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from collector.alarms.labels import LABELS, MatcherError, matchers
from collector.incidents.correlating import Rule
from collector.incidents.titles import TitleError, filled
from toml_files import Strict, Title

SINGLE = "single"
RULES_MAX = 100

Seconds = Annotated[float, Field(gt=0, le=31 * 86_400)]
RuleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
MatcherText = Annotated[str, Field(min_length=1, max_length=600)]


class IncidentRule(Strict):
    """Alarms that match, have the labels of ``group_by`` in common and come together are one incident."""

    name: RuleName
    title: Title
    matchers: list[MatcherText] = Field(min_length=1, max_length=16)
    group_by: list[str] = Field(default=[], max_length=8)
    within_s: Seconds = 120
    members_min: int = Field(default=3, ge=2, le=1000)
    distance_m: Annotated[float, Field(gt=0, le=100_000)] | None = None

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == SINGLE:
            raise ValueError(
                '"single" is what an alarm is that no rule brought together; choose another name'
            )
        return name

    @field_validator("matchers")
    @classmethod
    def _can_be_read(cls, texts: list[str]) -> list[str]:
        try:
            matchers(texts)
        except MatcherError as error:
            raise ValueError(str(error)) from error
        return texts

    @field_validator("group_by")
    @classmethod
    def _are_labels(cls, labels: list[str]) -> list[str]:
        if unknown := [label for label in labels if label not in LABELS]:
            raise ValueError(f"no label {unknown[0]!r}; there are {', '.join(LABELS)}")
        return labels

    @model_validator(mode="after")
    def _titles_can_be_filled(self) -> Self:
        try:
            for text in (self.title.en, self.title.zh):
                filled(text, self.members_min, dict.fromkeys(self.group_by, "x"))
        except TitleError as error:
            raise ValueError(f"title: {error}") from error
        return self

    def rule(self) -> Rule:
        """Return it as the book wants it."""
        return Rule(
            name=self.name,
            title=self.title,
            matchers=matchers(self.matchers),
            group_by=tuple(self.group_by),
            within_ms=round(self.within_s * 1000),
            members_min=self.members_min,
            distance_m=self.distance_m,
        )


class Incidents(Strict):
    """How incidents come to be, and how they end."""

    close_after_s: Seconds = 600
    joins_for_s: Seconds = 3600
    area_digits: int = Field(default=12, ge=6, le=15)
    candidates_max: int = Field(default=500, ge=10, le=10_000)
    rules: list[IncidentRule] = Field(default=[], max_length=RULES_MAX)

    @field_validator("rules")
    @classmethod
    def _have_names_of_their_own(cls, rules: list[IncidentRule]) -> list[IncidentRule]:
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                raise ValueError(f"rule {rule.name!r} is given twice; give each a name of its own")
            seen.add(rule.name)
        return rules
