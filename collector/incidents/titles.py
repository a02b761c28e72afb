"""What an incident is called, in both languages: what it is, how many, and where. Pure."""

import string
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from toml_files import Title

TITLE_CHARACTERS_MAX = 200
_FORMATTER = string.Formatter()


class Called(NamedTuple):
    """What an incident is called."""

    en: str
    zh: str


class TitleError(ValueError):
    """A title cannot be filled in; the text says what it may hold."""


def filled(template: str, count: int, labels: Mapping[str, str]) -> str:
    """Return a title with ``{count}`` and labels in their places; TitleError where one is unknown."""
    return "".join(_pieces(template, {"count": str(count), **labels}))[:TITLE_CHARACTERS_MAX]


def group(title: Title, count: int, labels: Mapping[str, str]) -> Called:
    """Return what an incident of so many sources is called."""
    return Called(filled(title.en, count, labels), filled(title.zh, count, labels))


def single(title: Title | None, problem: str, where: str) -> Called:
    """Return what an alarm that is an incident of its own is called; its problem where there is no title."""
    en, zh = (title.en, title.zh) if title else (problem, problem)
    if where:
        en, zh = f"{en}: {where}", f"{zh}：{where}"
    return Called(en[:TITLE_CHARACTERS_MAX], zh[:TITLE_CHARACTERS_MAX])


def _pieces(template: str, known: Mapping[str, str]) -> Iterator[str]:
    try:
        parsed = list(_FORMATTER.parse(template))
    except ValueError as error:
        raise TitleError(f"{template!r} cannot be read: {error}") from error
    for text, name, form, conversion in parsed:
        yield text
        if name is None:
            continue
        if name not in known or form or conversion:
            listed = " ".join(f"{{{each}}}" for each in known)
            raise TitleError(f"{{{name}}} cannot be filled in; there are {listed}")
        yield known[name]
