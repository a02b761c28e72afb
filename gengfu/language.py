"""In which of the two languages a person at this terminal reads."""

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]


def language(environment: Mapping[str, str]) -> Language:
    """Return zh or en by LC_ALL, LC_MESSAGES and LANG, the first that is set."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if chosen := environment.get(name):
            return "zh" if chosen.lower().startswith("zh") else "en"
    return "en"


def said(english: str, chinese: str) -> str:
    """Return the one of two texts that is read at this terminal."""
    return chinese if language(os.environ) == "zh" else english
