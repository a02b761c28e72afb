"""Secrets taken out of text and data, by what they are called and by what they look like. Pure.

Rather too much than too little: whoever needs more asks for it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from edge.bundle.secret_names import (
    BARE_KEY,
    CHINESE,
    LIKE_A_KEY,
    NAMED,
    PLACE,
    TABLE,
    WORDS,
    is_secret_name,
)
from edge.bundle.values import table_end, value_end

__all__ = ["is_secret_name", "redacted", "redacted_data", "secrets_in", "secrets_of"]

REMOVED = "[removed]"
LITERAL_CHARACTERS_MIN = 4
"""Shorter secrets are taken out where their name stands, not wherever the like stands."""
NUMBER_DIGITS_MIN = 6
"""So is a number of fewer digits."""

_STRING = r'"(?:\\.|[^"\\\n])*+(?:"|$)|' + r"\'(?:\\.|[^\'\\\n])*+(?:\'|$)"
_SCHEME = r"\b[a-z][a-z0-9+.-]{0,30}:"
_PRIVATE = r"[ A-Z0-9]*PRIVATE KEY[ A-Z]*-----"
_USER = r"(?<!\S)(-[uU][ \t]*|--(?:proxy-)?user(?:=|[ \t]+))"
_PIN = "CPIN2?|CPWD|CLCK"
_APN = "CGAUTH|QICSGP|AUTHDATA|QCPDPP"
"""What a modem is told with a PIN or a PUK, or with the password of an APN, and says again."""
_CODE = "[2-9A-HJ-NP-Z]"


def _rule(pattern: str, instead: str = REMOVED, *, exact: bool = False) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, re.MULTILINE if exact else re.IGNORECASE | re.MULTILINE), instead


_PRIVATE_KEY = re.compile(rf"-----BEGIN[ A-Z0-9]*PRIVATE KEY[\s\S]*?(?:-----END{_PRIVATE}|\Z)", re.IGNORECASE)
_KEY_END = re.compile(rf"-----END{_PRIVATE}", re.IGNORECASE)
_KEY_LINE = re.compile(r"[\w+/=]{16,}\s*$")
_URL_PASSWORD = re.compile(r"//[^/\s\"'@:]{0,99}:([^\s\"']{6,999})@")
_QUOTED = re.compile(r"\"((?:\\.|[^\"\\\n]){6,})\"|'([^'\n]{6,})'")
_NO_PORT = r"(?!\d{1,5}(?![^/?#\s\"'`,;.)\]}>\\]))"
# A bound on each part keeps the work proportional to the text, however strange that is.
_PLACES = [
    # A URL in a string or a comment within which the text was cut off: whatever of it is there.
    _rule(rf"(\"(?:\\.|[^\"\\\n]){{0,999}}?{_SCHEME})//(?:\\.|[^\"\\\n]){{0,999}}\\?\Z", rf"\1//{REMOVED}"),
    _rule(
        rf"('[^'\n]{{0,999}}?{_SCHEME}|^[ \t]*#.{{0,999}}?{_SCHEME})//[^'\n]{{0,999}}\Z", rf"\1//{REMOVED}"
    ),
    # user:password@ of a URL: within quotes to the last @, else within the word; a user alone to the first.
    _rule(rf'("(?:\\.|[^"\\\n]){{0,999}}?{_SCHEME})//(?:\\.|[^"\\\n]){{0,999}}@', rf"\1//{REMOVED}@"),
    _rule(rf"('[^'\n]{{0,999}}?{_SCHEME})//[^'\n]{{0,999}}@", rf"\1//{REMOVED}@"),
    _rule(rf"({_SCHEME})//(?:[^/\s\"'@:]{{0,99}}:\S{{0,999}}|[^/\s\"']{{0,999}})@", rf"\1//{REMOVED}@"),
    # user:password@host without a scheme, as somebody writes a broker's host; also cut off in its string.
    _rule(r"(?<![\w/.@-])((?!mailto:)[\w.-]{1,64}:)(?!//)[^\s\"']{1,999}@(?=[\w\[])", rf"\1{REMOVED}@"),
    _rule(r"([\"'][\w.-]{1,64}:)(?!//)[^\"'\n]{1,999}\Z", rf"\1{REMOVED}"),
    # The same cut off before its @: it is no port.
    _rule(rf"({_SCHEME})//[^/\s\"'@:\[]{{0,99}}:{_NO_PORT}[^\s/]\S{{0,999}}", rf"\1//{REMOVED}"),
]
_RULES = [
    _rule(r"((?:authorization|cookie)[\"']?\s*[:=]\s*).*", rf"\1{REMOVED}"),
    _rule(r"\b([Bb]earer|Basic|Digest)\s+[\w.~+/=:-]{6,}", rf"\1 {REMOVED}", exact=True),
    _rule(rf"(?<![\w.-])(--(?:code|[\w.-]*(?:{WORDS}|[_.-]key)s?)[ \t=]+)(?:{_STRING}|\S+)", rf"\1{REMOVED}"),
    _rule(r"(?<!\S)(-P[ \t]*)\S+", rf"\1{REMOVED}", exact=True),  # mosquitto_pub -u gw -P hunter2
    # curl -u "gw:hunter 2", curl --user gw:hunter2
    _rule(rf"{_USER}(?=[\"'][^\s:\"']*:)(?:{_STRING})", rf"\1{REMOVED}", exact=True),
    _rule(rf"{_USER}([^\s:]+:)\S+", rf"\1\2{REMOVED}", exact=True),
    _rule(rf"(AT[+^$*](?:{_PIN}|{_APN})[ \t]*=|[+^$*](?:{_APN})[ \t]*:).*", rf"\1{REMOVED}"),
    _rule(  # password hunter2
        rf"(?<![\w.-])((?:{WORDS})s?[ \t]+(?:is[ \t]+|was[ \t]+)?)(?:{_STRING}|(?=\S*\d)\S+)",
        rf"\1{REMOVED}",
    ),
    _rule(rf"((?:{CHINESE})(?:是|为)?[ \t]*)(?![=:])[!-~]+", rf"\1{REMOVED}"),
    _rule(rf"(?<![\w.-])([\"']?keys?[\"']?[ \t]*[=:][ \t]*[\"']?){LIKE_A_KEY}", rf"\1{REMOVED}"),
    # A one-time code as the centre prints it, whole or begun, or however a person writes it after its name.
    _rule(rf"(?<![\w-])(?=[A-Z-]*[2-9])(?:{_CODE}{{4}}-){{2,}}{_CODE}{{0,4}}(?![\w])", exact=True),
    _rule(rf"(?<![\w-])(?:{_CODE}{{4}}-){{3}}{_CODE}{{4}}(?![\w-])", exact=True),
    _rule(
        rf"\b(codes?\b[\"']?[ \t]*[=:]?[ \t]*[\"']?)(?=\S*\d)(?:{_CODE}{{4}}[- ]?){{4}}(?!\w)",
        rf"\1{REMOVED}",
    ),
    _rule(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"),
]
_MIXED = r"(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)"
_MIXED_NEAR = _MIXED.replace("]*", "]{0,256}")
_DENSE = [
    # Long and of all kinds of characters: no word, no digest in hexadecimal; ports and public keys are, too.
    re.compile(rf"(?<![\w+/=-])(?<!ed25519:){_MIXED}[A-Za-z0-9+/=]{{24,}}"),
    # What follows a word is looked at a little, and only where the word is long.
    re.compile(rf"(?<![\w-])(?<!ed25519:)(?!usb-|pci-|platform-)(?=[\w-]{{32}}){_MIXED_NEAR}[\w-]{{32,}}"),
]


def redacted(text: str, literals: Iterable[str] = ()) -> str:
    """Return the text without what looks like a secret, and without these ``literals``."""
    for literal in sorted(_spellings(literals), key=len, reverse=True):
        text = text.replace(literal, REMOVED)
    text = _without_private_keys(text)
    for pattern, instead in _PLACES:
        text = pattern.sub(instead, text)
    text = _without_tables(_without_named(text))
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    for dense in _DENSE:
        text = dense.sub(REMOVED, text)
    return text


def _without_private_keys(text: str) -> str:
    """Take out whole ones, and what is left of one whose end or beginning was cut off."""
    text = _PRIVATE_KEY.sub(REMOVED, text)
    while end := _KEY_END.search(text):
        begin = text.rfind("\n", 0, end.start()) + 1
        while begin and (line := text.rfind("\n", 0, begin - 1) + 1) >= 0:
            if not _KEY_LINE.search(text[line:begin]):  # of the last line, or of nothing of it
                break
            begin = line
        text = text[:begin] + REMOVED + text[end.end() :]
    return text


def _spellings(literals: Iterable[str]) -> set[str]:
    """Return them as they stand in a text, in a string of JSON or TOML, and in a URL."""
    long = {literal for literal in literals if len(literal) >= LITERAL_CHARACTERS_MIN}
    return (
        long
        | {json.dumps(each, ensure_ascii=False)[1:-1] for each in long}
        | {quote(each, "") for each in long}
    )


def _without_named(text: str) -> str:
    """Take out the value of each name that tells a secret."""
    kept, at = list[str](), 0
    while name := NAMED.search(text, at):
        in_json = bool(name["quoted"] or name["bare"]) and text[name.end() - 1] != "="
        end = value_end(text, name.end(), has_line=not in_json)
        blank = text[name.end() : end]
        lead = blank[: len(blank) - len(blank.lstrip(" \t"))]
        kept += [text[at : name.end()], lead, REMOVED if end > name.end() else ""]
        at = end
    return "".join([*kept, text[at:]])


def _without_tables(text: str) -> str:
    """Take out all that stands in a table of such a name."""
    kept, at = list[str](), 0
    while header := TABLE.search(text, at):
        end = table_end(text, header.end())
        kept += [text[at : header.end()], f"\n{REMOVED}\n" if text[header.end() : end].strip() else ""]
        at = end
    return "".join([*kept, text[at:]])


def redacted_data(data: object, literals: Iterable[str] = ()) -> object:
    """Return plain data without secrets: by the names of what is in it, and in its texts."""
    known = tuple(literals)
    if isinstance(data, Mapping):
        return {
            redacted(str(name), known): _removed(value)
            if _is_secret(str(name), value)
            else redacted_data(value, known)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [redacted_data(each, known) for each in data]
    return redacted(data, known) if isinstance(data, str) else data


def _is_secret(name: str, value: object) -> bool:
    if is_secret_name(name):
        return True
    return bool(BARE_KEY.fullmatch(name)) and isinstance(value, str) and not PLACE.fullmatch(value)


def _removed(data: object) -> object:
    """Take out all values, and leave the names of a table."""
    if isinstance(data, Mapping):
        return {redacted(str(name)): _removed(value) for name, value in data.items()}
    return REMOVED


def secrets_of(data: object) -> set[str]:
    """Return the texts in plain data whose names say that they are secret."""
    found, waiting = set[str](), [(data, False)]
    while waiting:  # as deep as dotted keys go
        each, is_secret = waiting.pop()
        if isinstance(each, Mapping):
            waiting += [(it, is_secret or is_secret_name(str(name))) for name, it in each.items()]
        elif isinstance(each, list | tuple):
            waiting += [(it, is_secret) for it in each]
        elif is_secret:
            found |= _texts(each)
    return found


def secrets_in(text: str) -> set[str]:
    """Return the strings of six characters or more whose names or places in a text say that they are secret.

    For settings that are no TOML, of which ``secrets_of`` knows nothing, and for passwords in URLs.
    """
    found = {each for password in _URL_PASSWORD.findall(text) for each in (password, unquote(password))}
    at = 0
    while name := NAMED.search(text, at):
        at = value_end(text, name.end(), has_line=True)
        found |= {double or single for double, single in _QUOTED.findall(text[name.end() : at])}
    return found


def _texts(data: object) -> set[str]:
    if isinstance(data, int) and len(str(abs(data))) >= NUMBER_DIGITS_MIN:
        return {str(data)}
    return {data} if isinstance(data, str) and data else set()
