"""In which of the two languages a person at this terminal reads."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]


def language(environment: Mapping[str, str]) -> Language:
    """Return zh or en by LC_ALL, LC_MESSAGES and LANG, the first that is set."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if chosen := environment.get(name):
            return "zh" if chosen.lower().startswith("zh") else "en"
    return "en"
