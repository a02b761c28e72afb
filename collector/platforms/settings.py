"""Which platforms a centre sends its cases to: ``[[platforms]]``, and ``[platform]`` as it was before."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field, model_validator

from collector.platforms.mapping import PlatformMapping, plain_mapping
from collector.platforms.mapping_file import load_mapping
from collector.platforms.secret_files import SecretFileError, read_secret
from device_profiles.schema import ProfileName
from toml_files import Problem, Strict, TomlFile, TomlFileError

PLATFORMS_MAX = 16
MATCHERS_MAX = 100
DESK_NAME = "desk"
OLD_NAME = "city"
"""What the platform of ``[platform]`` is called."""

Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _names_a_host(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0 and bool(httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        sound = False
    if not sound:
        raise ValueError("is no address; write http://host:port/path")
    return url


Url = Annotated[
    str,
    Field(pattern=r"^https?://[^\s]+$", max_length=500, json_schema_extra={"form": "http://host:port/path"}),
    AfterValidator(_names_a_host),
]


class Sending(Strict):
    """How a platform is sent to."""

    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10
    concurrency_max: int = Field(default=4, ge=1, le=64)
    retry_min_s: Seconds = 2
    retry_max_s: Seconds = 900
    retry_after_max_s: Seconds = 3600
    attempts_max: Count = 1000


class Platform(Sending):
    """The one platform, as settings named it before there could be several."""

    url: Url
    idempotency_header: str = Field(
        default="Idempotency-Key",
        pattern=r"^[A-Za-z0-9-]*$",
        max_length=64,
        json_schema_extra={"form": "letters, digits and -"},
    )


class Matcher(Strict):
    """Which cases: all that is written must be so; each is a beginning, and empty is any."""

    class_code: str = Field(default="", max_length=32)
    problem: str = Field(default="", max_length=64)
    part: str = Field(default="", max_length=32)
    grid: str = Field(default="", max_length=15)
    gateway: str = Field(default="", max_length=64)


class CityPlatform(Sending):
    """One platform of several."""

    name: ProfileName
    kind: Literal["rest", "desk"] = "rest"
    url: Url | None = None
    mapping_file: str = Field(default="", max_length=255)
    secret_file: str = Field(default="", max_length=255)
    callback_secret_file: str = Field(default="", max_length=255)
    cases: list[Matcher] = Field(default=[], max_length=MATCHERS_MAX)
    reconcile_interval_s: Seconds = 600
    reconcile_cases_max: int = Field(default=50, ge=1, le=10_000)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind == "rest" and self.name == DESK_NAME:
            raise ValueError(f"{DESK_NAME!r} is the name of the built-in desk; give it another name")
        if self.kind == "rest" and self.url is None:
            raise ValueError('needs a url; only the built-in desk (kind = "desk") has none')
        if self.kind == "desk" and (self.url or self.mapping_file or self.secret_file):
            raise ValueError(
                "is the built-in desk, which has no url, mapping_file or secret_file; remove them"
            )
        return self


class LoadedPlatform(Strict):
    """A platform with what its files hold."""

    settings: CityPlatform
    mapping: PlatformMapping | None = None
    secret: str = Field(default="", repr=False)
    callback_secret: str = Field(default="", repr=False)


DESK = LoadedPlatform(settings=CityPlatform(name=DESK_NAME, kind="desk"))
"""What a city without a platform has."""


def load_platforms(
    file: TomlFile, folder: Path, one: Platform | None, several: list[CityPlatform]
) -> tuple[list[LoadedPlatform], list[Problem]]:
    """Read what the settings name; return the platforms in order and every mistake found."""
    if one and several:
        what = "stands beside [[platforms]]"
        remedy = 'make it one of them: [[platforms]] with name = "city" and the same keys'
        return [], [file.problem(("platform",), what, remedy)]
    if one:
        same = {name: getattr(one, name) for name in Sending.model_fields}
        settings = CityPlatform(name=OLD_NAME, url=one.url, **same)
        return [LoadedPlatform(settings=settings, mapping=plain_mapping(one.idempotency_header))], []
    loaded: list[LoadedPlatform] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, settings in enumerate(several):
        key = ("platforms", index)
        if settings.name in seen:
            what = f"platform {settings.name!r} is given twice"
            problems.append(file.problem((*key, "name"), what, "give each a name of its own"))
        seen.add(settings.name)
        if settings.kind == "desk":
            loaded.append(LoadedPlatform(settings=settings))
            continue
        try:
            mapping = load_mapping(folder / settings.mapping_file) if settings.mapping_file else None
        except TomlFileError as error:
            problems += error.problems
            continue
        mapping = mapping or plain_mapping("Idempotency-Key")
        secret, found = _secret(file, folder, key, settings, "secret_file", needed=mapping.needs_secret)
        heard, more = _secret(
            file, folder, key, settings, "callback_secret_file", needed=mapping.callbacks is not None
        )
        problems += found + more
        loaded.append(
            LoadedPlatform(settings=settings, mapping=mapping, secret=secret, callback_secret=heard)
        )
    return loaded, problems


def _secret(
    file: TomlFile, folder: Path, key: tuple[str | int, ...], settings: CityPlatform, name: str, *,
    needed: bool,
) -> tuple[str, list[Problem]]:  # fmt: skip
    path: str = getattr(settings, name)
    if not path:
        what = "is missing, and the mapping file wants a secret"
        remedy = "name a file of mode 0600 that holds it"
        return "", [file.problem((*key, name), what, remedy)] if needed else []
    try:
        return read_secret(folder / path), []
    except SecretFileError as error:
        return "", [file.problem((*key, name), error.what, error.remedy)]
