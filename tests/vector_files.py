"""Reads the vectors in ``tests/vectors/``: bytes on the wire and what they mean, written down as data."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from device_profiles.codec import Registers
from device_profiles.schema import Table
from toml_files import TomlFile

FOLDER = Path(__file__).parent / "vectors"
TABLES: dict[int, Table] = {
    1: "coil",
    2: "discrete_input",
    3: "holding_register",
    4: "input_register",
}

Hex = Annotated[str, Field(pattern=r"^[0-9A-F]{2}( [0-9A-F]{2})*$")]


class Strict(BaseModel):
    """No unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Read(Strict):
    """A request, its answer, and what the answer says; ``errors`` names points that it cannot tell."""

    request: Hex
    response: Hex
    values: dict[str, bool | int | float] = {}
    errors: dict[str, str] = {}
    source: str = ""

    def registers(self) -> Registers:
        """Return what the answer carries, by table and address."""
        request, response = bytes.fromhex(self.request), bytes.fromhex(self.response)
        table, first = TABLES[request[1]], int.from_bytes(request[2:4])
        count, data = int.from_bytes(request[4:6]), response[3:-2]
        assert response[:2] == request[:2], "unit id and function are echoed"
        assert response[2] == len(data), "the byte count counts the bytes"
        if table in ("coil", "discrete_input"):
            return {(table, first + bit): data[bit // 8] >> bit % 8 & 1 for bit in range(count)}
        assert len(data) == 2 * count
        return {
            (table, first + index): int.from_bytes(data[2 * index : 2 * index + 2]) for index in range(count)
        }


class Write(Strict):
    """What is to be written, as a value or as a device-side time, and the request that does it."""

    point: str
    value: bool | int | float | None = None
    self_off_s: float | None = None
    request: Hex
    source: str = ""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.value is None) == (self.self_off_s is None):
            raise ValueError("a write has either a value or self_off_s; give one of them")
        return self


class Said(Strict):
    """A request as it must be sent, and what comes back: nothing, or an answer that begins after a time."""

    request: Hex
    response: Hex | None = None
    after_s: float = Field(default=0, ge=0)


class Talk(Strict):
    """What is said on the line when points are read, after a rest: for behaviour that no register shows."""

    rest_s: float = Field(ge=0)
    read: list[str]
    values: dict[str, bool | int | float] = {}
    errors: dict[str, str] = {}
    said: list[Said]


class Vectors(Strict):
    """One file: a profile, perhaps with shims, and its frames; ``source`` says where the bytes are from.

    Talks belong together: each begins where the one before it ended.
    """

    profile: str
    shims: list[str] = []
    source: str = Field(min_length=10)
    read: list[Read] = []
    write: list[Write] = []
    talk: list[Talk] = []
    timeout_s: float = 0.3
    """Of the requests in talks."""

    def frames(self) -> list[bytes]:
        """Return every frame that stands in the file."""
        texts = [text for read in self.read for text in (read.request, read.response)]
        texts += [write.request for write in self.write]
        said = [each for talk in self.talk for each in talk.said]
        texts += [text for each in said for text in (each.request, each.response) if text is not None]
        return [bytes.fromhex(text) for text in texts]


def all_vectors() -> dict[str, Vectors]:
    """Return every file of vectors, by its name."""
    return {path.stem: TomlFile.read(path).parse(Vectors) for path in sorted(FOLDER.glob("*.toml"))}


def crc16(data: bytes) -> bytes:
    """Return the checksum of Modbus RTU, low byte first."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")
