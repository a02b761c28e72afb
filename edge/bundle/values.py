"""Where a value ends in a text that may be broken or cut off: TOML, JSON, logs, commands. Pure.

In doubt a value is longer: too much taken out is better than too little.
"""

import re

_STRING = re.compile(
    r'"""(?:\\[\s\S]|(?!""")[\s\S])*+(?:"{3,5}|\Z)'
    r"|'''(?:(?!''')[\s\S])*+(?:'{3,5}|\Z)"
    r'|"(?:\\.|[^"\\\n])*+(?:"|\\?$)'
    r"|'[^'\n]*+(?:'|$)",
    re.MULTILINE,
)
_PLAIN = re.compile(r"[^\"'#\[\](){}]++|#.*")
_BLANK = re.compile(r"[ \t]*(?:\r?\n\s*(?=[\"'\[{]))?")
_OVER = re.compile(r"[ \t]*(?:\\*[,}\])]|[#;&|]|\r?$|\\n)", re.MULTILINE)
_FRESH = re.compile(
    r"[ \t]*(?:#|\[\[?[ \t]*[\w.-]+[ \t]*\]\]?[ \t]*(?:#.*)?$|[\"']?[\w.-]+[\"']?[ \t]*="
    r"|\d{4}-\d\d|\[ *\d+\.\d+\]|$)",
    re.MULTILINE,
)
"""A line that begins something new, in settings or a log."""
_HEADER = re.compile(r"^[ \t]*\[\[?[ \t]*[A-Za-z_\"'][\w.\"' -]*\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)


def value_end(text: str, at: int, *, has_line: bool) -> int:
    """Return where the value that begins at ``at`` ends; ``has_line``: to the end of its line at least."""
    begin = at + len(_BLANK.match(text, at)[0])  # type: ignore[index] # it always matches
    if begin >= len(text) or text[begin] in "\r\n":
        return at
    if text[begin] not in "\"'[{":
        return _line_end(text, begin)
    end = _closed(text, begin)
    if _OVER.match(text, end) and (text[end - 1] in "\"']}" and end - begin > 1):
        return _line_end(text, end) if has_line else end
    end = _line_end(text, end)
    while end < len(text) and not _FRESH.match(text, end + 1):  # it went wrong somewhere: who knows where
        end = _line_end(text, end + 1)
    return end


def table_end(text: str, at: int) -> int:
    """Return where the table ends whose header ends at ``at``."""
    following = _HEADER.search(text, at)
    return following.start() if following else len(text)


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _closed(text: str, at: int) -> int:
    """Return the end of a string, or of a list or table with all that is in it."""
    depth = 0
    while at < len(text):
        if text[at] in "\"'":
            at = _STRING.match(text, at).end()  # type: ignore[union-attr] # whatever follows a quote matches
        elif text[at] in "[({":
            depth, at = depth + 1, at + 1
        elif text[at] in "])}":
            depth, at = depth - 1, at + 1
        else:
            at = _PLAIN.match(text, at).end()  # type: ignore[union-attr] # as does what is no bracket
        if depth <= 0:
            return at
    return at
