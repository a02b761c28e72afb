"""What secrets are called, in settings, logs, environments, commands. Pure."""

import re

_ANYWHERE = (
    r"pass(?:word|wd|phrase)|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|authori[sz]|"
    r"authenticat|community|密码|口令|密钥|秘钥|令牌"
)
"""In any part of a name: ``brokerpassword``, ``tokenUrl``."""
WORDS = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"auth(?:orization|entication)?|cookie|session[_-]?id|psk|pin|one[_-]time|otp|"
    r"enrol(?:ment|ment_code|_code)|community|密码|口令|密钥|秘钥|令牌"
)
"""As words of a name: ``door_pin``, and not ``spinning``."""
_OPEN_KEY = (
    r"(?![\w.-]*(?:public|pub|release|verify|verifying|host|foreign|primary|sort|cache)[_.-]?keys?(?![\w.-]))"
)
_KEY = rf"{_OPEN_KEY}(?:[\w.-]{{0,100}}[_-]keys?|(?-i:[\w.-]{{0,100}}[a-z]Keys?))(?![\w.-])"
"""``signing_key``; neither ``public_keys`` nor ``tls_key_file`` nor a key of a table."""
NAME = (
    rf"(?:[\w.-]{{0,100}}(?:{_ANYWHERE})[\w.-]{{0,100}}+|"
    rf"(?:[\w.-]{{0,100}}[_.-])?(?:{WORDS})s?(?:[_.-][\w.-]{{0,100}}+)?|{_KEY})"
)
_QUOTED = rf"(?:[^\"'\n]{{0,100}}(?:{_ANYWHERE})[^\"'\n]{{0,100}}|{NAME})"
_IS_NAME = re.compile(rf"[^\n]*(?:{_ANYWHERE})[^\n]*|(?:[^\n]*\s)?{NAME}(?:\s[^\n]*)?", re.IGNORECASE)

_MARK = r"\\{0,8}[\"']"
"""A quote, also as it stands in JSON that stands in JSON."""
_KIND = r"[ \t]*[\"'](?:file|tpm)[\"'][ \t]*(?:#|$)"
"""Where a gateway's key is to be made (``[identity] key``) is no secret."""
NAMED = re.compile(
    rf"(?<![\w.-])(?:--?)?(?:(?P<quoted>{_MARK}{_QUOTED}{_MARK})|[\"']?(?:--?)?{NAME}(?:{_MARK})?)"
    r"[ \t]*[=:：]"
    r"|\"[^\"\n]*\\[uU][0-9a-f]{4}[^\"\n]*\"[ \t]*[=:]"
    r"|(?<![\w.-])(?:[\w.-]{0,100}\.)?[\"']?keys?[\"']?[ \t]*="
    rf"(?!{_KIND})(?=[ \t]*[\"']?[\w+/])",
    re.IGNORECASE | re.MULTILINE,
)
"""A name and the sign before its value; also one that hides behind escapes, and a key called no more."""
_OF_TABLE = r"[ \t\"'\w.-]*"
TABLE = re.compile(
    rf"^([ \t]*\[\[?{_OF_TABLE}?(?<![\w-]){NAME}{_OF_TABLE}\]\]?)[ \t]*(?:#.*)?$",
    re.IGNORECASE | re.MULTILINE,
)
"""The header of a table whose name tells that all in it is secret."""
BARE_KEY = re.compile(r"keys?", re.IGNORECASE)
LIKE_A_KEY = r"(?=[\w+/=-]*\d)[\w+/=-]{16,}"
"""What is called no more than a key is one if it looks like one."""


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is to be kept back."""
    return _IS_NAME.fullmatch(name) is not None
