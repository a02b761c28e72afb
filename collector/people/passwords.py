"""Passwords: hashed with argon2id, and refused where they are easily guessed. No internet is asked."""

import re
import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from collector.people.settings import People

CHARACTERS_MIN = 12
CHARACTERS_MAX = 128
DIFFERENT_MIN = 5
LEFT_CHARACTERS_MIN = 6
LEFT_DIFFERENT_MIN = 4

WORDS = tuple(
    line
    for line in Path(__file__).with_name("common_words.txt").read_text("utf-8").split("\n")
    if line and not line.startswith("#")
)
ROWS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)
RUN_MIN = 3
"""So many neighbours of a row, or repetitions of one character, are one idea and no more."""
LOOKALIKES = str.maketrans("@$!0134578", "asioieastb")


class Hasher:
    """Hashes and verifies; each takes about a tenth of a second and ``argon2_memory_kib``, on purpose."""

    def __init__(self, settings: People) -> None:
        """The parameters stand in every hash, so that older ones can still be verified."""
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )

    def hashed(self, password: str) -> str:
        """Return the hash, with salt and parameters."""
        return self._hasher.hash(_plain(password))

    def verified(self, password_hash: str, password: str) -> bool:
        """Say whether the password is that of the hash."""
        try:
            return self._hasher.verify(password_hash, _plain(password))
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, password_hash: str) -> bool:
        """Say whether the hash was made with other parameters than those of the settings."""
        return self._hasher.check_needs_rehash(password_hash)

    def waste(self, password: str) -> None:
        """Take as long as verifying does, for a name that nobody has."""
        self._hasher.hash(_plain(password))


def problems(password: str, *names: str) -> list[str]:
    """Return what is wrong with a new password, in sentences; ``names`` are those of its user.

    Words and rows of keys that many use, years, and the names count for nothing: enough must be left.
    """
    told = unicodedata.normalize("NFKC", password)
    if not CHARACTERS_MIN <= len(told) <= CHARACTERS_MAX:
        return [f"it has {len(told)} characters; {CHARACTERS_MIN} to {CHARACTERS_MAX} are wanted"]
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in told):
        return ["it holds what nobody can type again, such as a line's end; leave that out"]
    if len(set(told)) < DIFFERENT_MIN:
        return [f"it has fewer than {DIFFERENT_MIN} different characters; use more"]
    lowered = re.sub(r"(19|20)\d\d", " ", told.lower())
    for form in (lowered, lowered.translate(LOOKALIKES)):
        left = _without_common(form, [name.lower() for name in names])
        if len(left) < LEFT_CHARACTERS_MIN or len(set(left)) < LEFT_DIFFERENT_MIN:
            return [
                "it is made of what many people use (common words, rows of keys, years, your own name), and "
                "is guessed first; take several words that have nothing to do with each other"
            ]
    return []


def _without_common(text: str, names: list[str]) -> str:
    """Return what is left without words, names, rows of keys and repetitions."""
    words = sorted({*WORDS, *(name for name in names if len(name) >= RUN_MIN)}, key=len, reverse=True)
    for word in words:
        text = text.replace(word, " ")
    text = re.sub(r"(.{1,4}?)\1{2,}", r" ", text)
    kept, start = [], 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _is_row(text[start : end + 1]):
            end += 1
        if end - start < RUN_MIN:
            kept.append(text[start])
            start += 1
        else:
            start = end
    return "".join(character for character in "".join(kept) if not character.isspace())


def _is_row(text: str) -> bool:
    return any(text in row or text in row[::-1] for row in ROWS)


def _plain(password: str) -> bytes:
    """Return the same bytes however the keyboard composed it."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
