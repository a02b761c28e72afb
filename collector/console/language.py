"""Which language a page speaks, and its words."""

from typing import Literal

from starlette.requests import Request

from collector.console.words import WORDS

Language = Literal["en", "zh"]
COOKIE = "gengfu_language"


def language_of(request: Request) -> Language:
    """Return what was asked for: in the address, else chosen before, else what the browser prefers."""
    for told in (request.query_params.get("lang", ""), request.cookies.get(COOKIE, "")):
        if told in ("en", "zh"):
            return "zh" if told == "zh" else "en"
    preferred = request.headers.get("accept-language", "").strip().lower()
    return "zh" if preferred.startswith("zh") else "en"


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        """Choose it."""
        self.language = language
        self._index = int(language == "zh")

    def __call__(self, key: str, *values: object) -> str:
        """Return what a key says with these values; a key without words is its own word."""
        told = WORDS.get(key)
        if values and told:
            return told[self._index].format(*values)
        if told and "{" not in told[self._index]:
            return told[self._index]
        return key.replace("_", " ") if told else key

    def pair(self, en: str, zh: str) -> str:
        """Return the one of both that is this language's, or the other where that one is empty."""
        return (zh or en) if self._index else (en or zh)
