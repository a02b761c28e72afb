"""Platforms in the settings: which case goes where, and mistakes by file, line, key and remedy."""

from pathlib import Path

import pytest

from collector.platforms import routing
from collector.platforms.running import with_desk
from collector.platforms.settings import CityPlatform, LoadedPlatform, Matcher
from collector.settings import load
from tests.collector.platforms.making import mapping_text
from toml_files import TomlFileError

HEAD = 'schema = 1\ndistrict = "north"\n[broker]\nhost = "127.0.0.1"\n'
CITY = '[[platforms]]\nname = "city"\nurl = "http://127.0.0.1:1/api"\n'
HMAC = 'schema = 1\n[authentication]\nkind = "hmac"\n[messages.opened]\n'


def mistakes(folder: Path, text: str) -> list[str]:
    """Return what is said of a settings file, without the folder."""
    path = folder / "collector.toml"
    path.write_text(HEAD + text)
    with pytest.raises(TomlFileError) as caught:
        load(path)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[platforms]]\nname = "city"\n', "collector.toml:5: platforms[0]: needs a url"),
        (
            '[[platforms]]\nname = "desk"\nkind = "desk"\nurl = "http://h/"\n',
            "collector.toml:5: platforms[0]: is the",
        ),
        (CITY + CITY, "collector.toml:9: platforms[1].name: platform 'city' is given twice"),
        (CITY + 'mapping_file = "none.toml"\n', "none.toml: cannot be read: no such file"),
        (
            CITY + 'mapping_file = "bad.toml"\n',
            "bad.toml:3: messages.opened.path: {nothing}: a case",
        ),
        (CITY + 'mapping_file = "hmac.toml"\n', "collector.toml:5: platforms[0].secret_file: is missing"),
        (
            CITY + 'mapping_file = "hmac.toml"\nsecret_file = "open"\n',
            "collector.toml:9: platforms[0].secret",
        ),
        (
            CITY + 'cases = [{ klass = "01" }]\n',
            "collector.toml:8: platforms[0].cases[0].klass: is not",
        ),
        (CITY + '[platform]\nurl = "http://h/"\n', "collector.toml:8: platform: stands beside [[platforms]]"),
    ],
)
def test_mistakes_are_told_by_line_and_key(text: str, said: str, tmp_path: Path) -> None:
    """Also those of the files that the settings name."""
    (tmp_path / "bad.toml").write_text('schema = 1\n[messages.opened]\npath = "/{nothing}"\n')
    (tmp_path / "hmac.toml").write_text(HMAC)
    (tmp_path / "open").write_text("secret")
    (tmp_path / "open").chmod(0o644)
    [problem] = mistakes(tmp_path, text)
    assert problem.startswith(said)
    assert "; " in problem


def test_the_one_platform_of_before_is_still_read(tmp_path: Path) -> None:
    """As the platform "city", to which a case is posted as it is."""
    path = tmp_path / "collector.toml"
    path.write_text(
        f'{HEAD}[platform]\nurl = "http://127.0.0.1:1/x"\nidempotency_header = ""\ntimeout_s = 3\n'
    )
    [platform] = load(path).platforms
    assert (platform.settings.name, platform.settings.timeout_s) == ("city", 3)
    assert platform.mapping
    assert not platform.mapping.capabilities.has_key


def test_secrets_are_read_from_their_files_and_not_shown(tmp_path: Path) -> None:
    """Neither in the settings nor in what is printed of them."""
    (tmp_path / "secret").write_text("hush-hush\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "hmac.toml").write_text(HMAC)
    path = tmp_path / "collector.toml"
    path.write_text(f'{HEAD}{CITY}mapping_file = "hmac.toml"\nsecret_file = "secret"\n')
    [platform] = load(path).platforms
    assert platform.secret == "hush-hush"
    assert "hush" not in repr(load(path))
    assert mapping_text()


def platform(name: str, *matchers: Matcher) -> CityPlatform:
    """Return a platform that takes such cases."""
    return CityPlatform(name=name, url="http://127.0.0.1:1", cases=list(matchers))


def test_a_case_goes_to_the_first_that_takes_it_and_else_to_the_desk() -> None:
    """All that a matcher says must fit; one of them is enough."""
    covers = platform("covers", Matcher(class_code="0102", grid="500103"), Matcher(problem="cover_open"))
    lamps = platform("lamps", Matcher(class_code="0118"))
    loaded = with_desk([LoadedPlatform(settings=it) for it in (covers, lamps)])
    chosen = [it.settings for it in loaded]

    def case(code: str, grid: str = "500103001001001", problem: str = "x") -> dict[str, object]:
        return {"class": {"code": code}, "place": {"grid": grid}, "problem": problem}

    assert routing.choose(chosen, case("010201")) == "covers"
    assert routing.choose(chosen, case("010201", grid="5002")) == "desk"
    assert routing.choose(chosen, case("030201", problem="cover_open")) == "covers"
    assert routing.choose(chosen, case("011801")) == "lamps"
    assert routing.choose(chosen, {}) == "desk"
    assert [it.settings.name for it in with_desk([LoadedPlatform(settings=platform("all"))])] == ["all"]
    assert [it.settings.name for it in with_desk([])] == ["desk"]
