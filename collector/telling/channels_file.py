"""Channels and their secrets: a file of its own that nobody but its owner may read; it is never logged."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from collector.telling.people import ChannelName
from toml_files import Problem, Strict, TomlFile, TomlFileError

EXAMPLE = Path(__file__).with_name("channels.example.toml")
CHANNELS_MAX = 64
KEY_BYTES_MIN = 32
KEY_BYTES_MAX = 4096
SMS_FIELDS = ("address", "subject", "body", "text", "link", "id", "timestamp", "signature", "key")
IN_WORDS = ("subject", "body", "text")
"""These of them are in people's languages."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

HttpUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^\s]+$", max_length=500, json_schema_extra={"form": "http://host:port/path"}),
]
TimeoutS = Annotated[float, Field(ge=1, le=120)]
Template = Annotated[str, Field(max_length=500)]


class AppriseChannel(Strict):
    """A service that Apprise knows. ``{address}`` in its URL stands for a person's address there."""

    kind: Literal["apprise"]
    name: ChannelName
    url: SecretStr = Field(min_length=5, max_length=2000)
    timeout_s: TimeoutS = 30


class SmsSignature(Strict):
    """How a request is signed: ``{signature}`` is the digest of ``over``, filled in like a parameter."""

    algorithm: Literal["md5", "sha256", "hmac_sha256"]
    over: Template
    key: SecretStr = Field(min_length=1, max_length=500)
    encoding: Literal["hex", "hex_upper", "base64"] = "hex"


class SmsChannel(Strict):
    """An SMS gateway behind HTTP. Parameters and headers may hold what SMS_FIELDS names, but the key.

    Headers are ASCII, so what is IN_WORDS is for parameters only.
    ``text`` is the subject with the link; ``success`` is a regular expression that its answer holds.
    """

    kind: Literal["sms"]
    name: ChannelName
    url: HttpUrl
    encode: Literal["form", "json", "query"] = "form"
    parameters: dict[str, Template] = Field(min_length=1, max_length=32)
    headers: dict[str, Template] = Field(default={}, max_length=16)
    signature: SmsSignature | None = None
    timestamp: Literal["s", "ms", "local"] = "s"
    success: str = Field(default="", max_length=300)
    characters_max: int = Field(default=300, ge=20, le=2000)
    timeout_s: TimeoutS = 15

    @field_validator("success")
    @classmethod
    def _is_an_expression(cls, success: str) -> str:
        try:
            re.compile(success)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error}); mend it") from error
        return success

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        templates = [*self.parameters.values(), *self.headers.values()]
        templates += [self.signature.over] if self.signature else []
        known = dict.fromkeys(SMS_FIELDS, "")
        for template in templates:
            try:
                template.format(**known)
            except (LookupError, ValueError, AttributeError) as error:
                raise ValueError(
                    f"{template!r} cannot be filled in ({error}); known are "
                    + " ".join(f"{{{name}}}" for name in SMS_FIELDS)
                    + ", and {{ stands for a brace"
                ) from error
        in_words = known | dict.fromkeys(IN_WORDS, "字")
        for name, template in self.headers.items():
            if not (_HEADER_NAME.fullmatch(name) and can_be_header(template.format(**in_words))):
                raise ValueError(
                    f"header {name!r} would hold what no header can, headers are ASCII; put "
                    + " ".join(f"{{{each}}}" for each in IN_WORDS)
                    + " and all other words into parameters"
                )
        return self


class RelayChannel(Strict):
    """A channel of a relay in the zone with internet; ``channel`` is its name there."""

    kind: Literal["relay"]
    name: ChannelName
    url: HttpUrl
    key_file: str = Field(min_length=1, max_length=255)
    channel: ChannelName
    timeout_s: TimeoutS = 45


Channel = Annotated[AppriseChannel | SmsChannel | RelayChannel, Field(discriminator="kind")]


class Channels(Strict):
    """The whole file."""

    schema_version: Literal[1] = Field(alias="schema")
    channels: list[Channel] = Field(min_length=1, max_length=CHANNELS_MAX)

    @property
    def names(self) -> set[str]:
        """Return what people can name."""
        return {channel.name for channel in self.channels}


def load_channels(path: Path) -> tuple[Channels, dict[str, bytes]]:
    """Read the file and the keys of relays, by channel; TomlFileError lists every mistake, no secret."""
    check_mode(path)
    file = TomlFile.read(path)
    channels = file.parse(Channels)
    problems = list(_duplicates(channels, file))
    keys: dict[str, bytes] = {}
    for channel in channels.channels:
        if isinstance(channel, RelayChannel):
            try:
                keys[channel.name] = read_key(path.parent / channel.key_file)
            except TomlFileError as error:
                problems += error.problems
    if problems:
        raise TomlFileError(problems)
    return channels, keys


def can_be_header(text: str) -> bool:
    """Say whether a header can hold it."""
    return text.isascii() and text.isprintable()


def check_mode(path: Path) -> None:
    """TomlFileError where others may read the file."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _told(path, f"cannot be read: {reason}", "check the path and its permissions") from error
    if mode & 0o077:
        raise _told(
            path, f"has mode {mode:04o}, so others may have read its secrets", f"run  chmod 600 {path}"
        )


def read_key(path: Path) -> bytes:
    """Return the key that centre and relay share; TomlFileError where it cannot be trusted."""
    check_mode(path)
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES_MAX + 1).strip()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _told(path, f"cannot be read: {reason}", "check the path and its permissions") from error
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        what = f"holds {len(key)} bytes, a key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"
        raise _told(path, what, "make one with `gengfu relay key FILE`, and copy it to the other side")
    return key


def _told(path: Path, what: str, remedy: str) -> TomlFileError:
    return TomlFileError([Problem(str(path), 0, "", what, remedy)])


def _duplicates(channels: Channels, file: TomlFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, channel in enumerate(channels.channels):
        if channel.name in seen:
            what = f"channel {channel.name!r} is given twice"
            yield file.problem(("channels", index, "name"), what, "give each a name of its own")
        seen.add(channel.name)
