"""What the interface tells of an evaluation."""

from collections import Counter

from pydantic import BaseModel

from collector.evaluation.days import By
from collector.evaluation.exclusions import Exclusion
from collector.evaluation.formulas import COUNTS, TIMES, VERSIONS, Formulas, Words


class WordsView(BaseModel):
    """Text in the two languages of the house."""

    en: str
    zh: str

    @classmethod
    def of(cls, words: Words) -> "WordsView":
        """Return them for the interface."""
        return cls(en=words.en, zh=words.zh)


class RateView(BaseModel):
    """A rate and how it is counted."""

    name: str
    title: WordsView
    words: WordsView


class FormulasView(BaseModel):
    """A version of the formulas, in words; ``counts`` and ``times`` are the same in all."""

    version: str
    words: WordsView
    rates: list[RateView]
    counts: dict[str, WordsView]
    times: dict[str, WordsView]


class ExclusionView(BaseModel):
    """A stretch of time that is not assessed; ``area`` and ``class_code`` empty: everywhere, every class."""

    id: str
    area: str
    class_code: str
    from_ms: int
    until_ms: int
    reason: str
    who: str
    made_ms: int

    @classmethod
    def of(cls, exclusion: Exclusion) -> "ExclusionView":
        """Return it for the interface."""
        return cls(**{name: getattr(exclusion, name) for name in cls.model_fields})


class FiguresView(BaseModel):
    """Of one key, empty where it is not known: counts of cases, rates (0 to 1), mean times in s.

    A rate or time is null where it has no cases.
    """

    key: str
    counts: dict[str, int]
    rates: dict[str, float | None]
    times_s: dict[str, float | None]


class EvaluationView(BaseModel):
    """Figures of the local days ``first`` to ``last``, by formulas of a version, as they stand ``at_ms``.

    ``excluded``: stretches that are left out. What is due on a day that is not over is not due yet.
    """

    first: str
    last: str
    by: By
    at_ms: int
    formulas: FormulasView
    excluded: list[ExclusionView]
    figures: list[FiguresView]
    total: FiguresView
    next: str | None


def formulas_view(formulas: Formulas) -> FormulasView:
    """Return a version in words."""
    return FormulasView(
        version=formulas.version,
        words=WordsView.of(formulas.words),
        rates=[
            RateView(name=rate.name, title=WordsView.of(rate.title), words=WordsView.of(rate.words))
            for rate in formulas.rates
        ],
        counts={count.name: WordsView.of(count.words) for count in COUNTS},
        times={_in_s(name): WordsView.of(words) for name, words in TIMES.items()},
    )


def all_formulas() -> list[FormulasView]:
    """Return every version, the oldest first."""
    return [formulas_view(formulas) for formulas in VERSIONS]


def figures_view(key: str, sums: "Counter[str]", formulas: Formulas) -> FiguresView:
    """Return a key's figures by these formulas."""
    counts = {count.name: sums[count.name] for count in COUNTS}
    times = {name: _mean_s(sums, name) for name in TIMES}
    return FiguresView(
        key=key,
        counts=counts,
        rates={rate.name: rate.of(counts) for rate in formulas.rates},
        times_s={_in_s(name): value for name, value in times.items()},
    )


def _mean_s(sums: "Counter[str]", name: str) -> float | None:
    """Return the mean of a time in s; all that ended have a whole time."""
    count = sums["ended" if name == "whole_ms" else name.replace("_ms", "_of")]
    return sums[name] / count / 1000 if count else None


def _in_s(name: str) -> str:
    return name.replace("_ms", "_s")
