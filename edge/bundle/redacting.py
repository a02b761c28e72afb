"""Secrets taken out of text and data, by what they are called and by what they look like. Pure.

Rather too much than too little: whoever needs more asks for it.
"""

import re
from collections.abc import Iterable, Mapping

REMOVED = "[removed]"
LITERAL_CHARACTERS_MIN = 4
"""Shorter secrets are taken out where their name stands, not wherever the like stands."""

_WORD = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"auth(?:orization|entication)?|cookie|session[_-]?id|psk|pin|one[_-]time|otp|enrol(?:ment|ment_code|_code)"
)
_NAME = rf"(?:[\w.-]{{0,100}}[_.-])?(?:{_WORD})s?(?:[_.-][\w.-]{{0,100}})?"
_IS_NAME = re.compile(_NAME, re.IGNORECASE)
_STRING = (
    r'"""[\s\S]*?(?:"""|\Z)|'
    r"\'\'\'[\s\S]*?(?:\'\'\'|\Z)|"
    r'"(?:\\.|[^"\\\n])*(?:"|$)|'
    r"\'(?:\\.|[^\'\\\n])*(?:\'|$)"
)
_LIST = r"\[[^\]]*(?:\]|\Z)|\{[^}\n]*\}?"


def _rule(pattern: str, instead: str = REMOVED) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE), instead


_RULES = [
    # A private key, also one that was cut off.
    _rule(r"-----BEGIN[ A-Z0-9]*PRIVATE KEY[\s\S]*?(?:-----END[ A-Z0-9]*PRIVATE KEY-----|\Z)"),
    _rule(r"(\b[a-z][a-z0-9+.-]{0,30}:)//[^/\s\"']*@", rf"\1//{REMOVED}@"),
    _rule(r"((?:authorization|cookie)[\"']?\s*[:=]\s*).*", rf"\1{REMOVED}"),
    _rule(r"\b(Bearer|Basic|Digest)\s+[\w.~+/=:-]{6,}", rf"\1 {REMOVED}"),
    # name = "value", name: value to the end of its line, "name": [..]
    _rule(
        rf"(?<![\w.-])([\"']?(?:--)?{_NAME}[\"']?[ \t]*[=:]\s*)(?:{_STRING}|{_LIST}|[^\s\"'\[\{{].*)",
        rf"\1{REMOVED}",
    ),
    _rule(rf"(?<![\w.-])(--{_NAME}[ \t]+)(?:{_STRING}|\S+)", rf"\1{REMOVED}"),  # --name value
    _rule(  # password hunter2
        rf"(?<![\w.-])((?:{_WORD})s?[ \t]+(?:is[ \t]+|was[ \t]+)?)(?:{_STRING}|(?=\S*\d)\S+)",
        rf"\1{REMOVED}",
    ),
    _rule(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"),
]
_MIXED = r"(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)"
_DENSE = [
    # Long and of all kinds of characters: no word, and no digest in hexadecimal; but ports are named so.
    re.compile(rf"(?<![\w+/=-]){_MIXED}[A-Za-z0-9+/=]{{24,}}"),
    re.compile(rf"(?<![\w-])(?!usb-|pci-|platform-){_MIXED}[\w-]{{32,}}"),
]


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is to be kept back."""
    return _IS_NAME.fullmatch(name) is not None


def redacted(text: str, literals: Iterable[str] = ()) -> str:
    """Return the text without what looks like a secret, and without these ``literals``."""
    for literal in sorted(literals, key=len, reverse=True):
        if len(literal) >= LITERAL_CHARACTERS_MIN:
            text = text.replace(literal, REMOVED)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    for dense in _DENSE:
        text = dense.sub(REMOVED, text)
    return text


def redacted_data(data: object, literals: Iterable[str] = ()) -> object:
    """Return plain data without secrets: by the names of what is in it, and in its texts."""
    known = tuple(literals)
    if isinstance(data, Mapping):
        return {
            redacted(str(name), known): REMOVED
            if is_secret_name(str(name)) and not isinstance(value, Mapping)
            else redacted_data(value, known)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [redacted_data(each, known) for each in data]
    return redacted(data, known) if isinstance(data, str) else data


def secrets_of(data: object) -> set[str]:
    """Return the texts in plain data whose names say that they are secret."""
    found: set[str] = set()
    if isinstance(data, Mapping):
        for name, value in data.items():
            found |= _texts(value) if is_secret_name(str(name)) else secrets_of(value)
    elif isinstance(data, list | tuple):
        for each in data:
            found |= secrets_of(each)
    return found


def _texts(data: object) -> set[str]:
    if isinstance(data, Mapping):
        return set().union(*map(_texts, data.values()))
    if isinstance(data, list | tuple):
        return set().union(*map(_texts, data))
    return {data} if isinstance(data, str) and data else set()
