"""Passwords that are guessed first are refused, all others taken; hashes tell nothing and verify."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.people.passwords import CHARACTERS_MAX, CHARACTERS_MIN, Hasher, problems
from collector.people.settings import People

QUICK = People(argon2_memory_kib=7168, argon2_passes=1, argon2_lanes=1)


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Passw0rd!2026",
        "P@ssw0rd2026!!",
        "Admin@2026Admin@",
        "123456789012",
        "qwertyuiop123",
        "1qaz2wsx3edc4rfv",
        "zxcvbnm,./zxcvbnm",
        "aaaaaaaaaaaa",
        "abababababab",
        "abcdefghijklmnop",
        "woaini1314520",
        "gengfu2026gengfu",
        "wang.xiaoming1990",
        "王小明王小明2026!!",
        "管理员密码2026中国",
        "111111222222333",
        "short",
        "x" * (CHARACTERS_MAX + 1),
        "tram heron\nvelvet 9",
    ],
)
def test_what_many_people_use_is_refused(password: str) -> None:
    """Words, rows of keys, years, repetitions and one's own names count for nothing."""
    assert problems(password, "wang.xiaoming", "王小明")


@pytest.mark.parametrize(
    "password",
    [
        "tram heron velvet 9 pier",
        "correct horse battery staple",
        "7Kd!vQ2#mTz9",
        "路灯 在 三号桥 下面 结冰",
        "password of the tram heron",
    ],
)
def test_others_are_taken(password: str) -> None:
    """In any script; a common word does no harm where enough is left."""
    assert problems(password, "wang.xiaoming", "王小明") == []


@given(st.text(string.ascii_letters + string.digits, min_size=0, max_size=CHARACTERS_MIN - 1))
def test_no_short_password_is_taken(password: str) -> None:
    """However odd it is."""
    assert problems(password)


@given(st.text(max_size=200), st.text(max_size=30))
def test_whatever_is_typed_is_judged_in_words(password: str, name: str) -> None:
    """Nothing raises, and a refusal is a sentence."""
    for told in problems(password, name):
        assert len(told) > 10


def test_a_hash_is_salted_and_holds_its_parameters() -> None:
    """Two of one password differ, and both verify; composed and decomposed letters are alike."""
    hasher = Hasher(QUICK)
    first, second = hasher.hashed("Zürich tram heron 9"), hasher.hashed("Zürich tram heron 9")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=7168,t=1,p=1$")
    assert hasher.verified(first, "Zu\u0308rich tram heron 9")
    assert not hasher.verified(first, "Zurich tram heron 9")
    assert not hasher.verified("no hash", "x")
    assert not hasher.outdated(first)
    assert Hasher(People(argon2_memory_kib=8192, argon2_passes=1, argon2_lanes=1)).outdated(first)
