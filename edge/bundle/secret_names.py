"""What secrets are called, in settings, logs, environments, commands. Pure."""

import re

CHINESE = r"密码|口令|密钥|秘钥|令牌|通行码|暗号"
_ANYWHERE = (
    r"pass(?:word|wort|wd|phrase)|kennwort|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    rf"authori[sz]|authenticat|community|{CHINESE}"
)
"""In any part of a name: ``brokerpassword``, ``tokenUrl``."""
WORDS = (
    r"pass(?:word|wort|wd|phrase|code)?|kennwort|pwd?|secret|token|credential|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|auth(?:orization|entication)?|cookie|session[_-]?id|psk|pin|puk|one[_-]time|otp|"
    rf"enrol(?:ment|ment_code|_code)|community|{CHINESE}"
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
_KIND_IN_JSON = rf"[ \t]*{_MARK}(?:file|tpm){_MARK}"
"""Where a gateway's key is to be made (``[identity] key``) is no secret."""
NAMED = re.compile(
    rf"(?<![\w.-])(?:--?)?(?:(?P<quoted>{_MARK}{_QUOTED}{_MARK})|[\"']?(?:--?)?{NAME}(?:{_MARK})?)"
    r"[ \t]*[=:：]"
    rf"|(?<![\w.-])(?P<bare>{_MARK}keys?{_MARK})[ \t]*:(?!{_KIND_IN_JSON})(?=[ \t]*{_MARK})"
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
LIKE_A_KEY = r"(?=[\w+/=-]{0,999}\d)[\w+/=-]{16,}"
"""What is called no more than a key is one if it looks like one."""
PLACE = re.compile(r"(?:[a-z_.-]|\[\d{1,4}\])*|(?=[^\[]*\[\d{1,4}\])[\w.\[\]-]+")
"""Where a value stands in settings: what a problem calls its key, as ``devices[0].line``."""


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is to be kept back."""
    return _IS_NAME.fullmatch(name) is not None
