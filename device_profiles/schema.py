"""What a profile may say. Every key is explained here; a shipped TOML is the example.

Units of measure are UCUM codes; addresses are protocol addresses (from 0), as they travel on the wire.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from contract.limits import NAME_CHARACTERS_MAX
from contract.names import NAME_PATTERN
from toml_files import NAME_FORM, Strict, Title, name_field, plain_words

Table = Literal["coil", "discrete_input", "holding_register", "input_register"]
BIT_TABLES: tuple[Table, ...] = ("coil", "discrete_input")
WRITABLE_TABLES: tuple[Table, ...] = ("coil", "holding_register")

DataType = Literal["bool", "u16", "i16", "u32", "i32", "f32"]
WORDS: dict[DataType, int] = {"bool": 1, "u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2}

ProfileName = Annotated[str, name_field(NAME_PATTERN, NAME_CHARACTERS_MAX)]
Address = Annotated[int, Field(ge=0, le=0xFFFF)]
POINTS_MAX = 1_000


class SerialDefaults(Strict):
    """Factory settings of the serial side, as the document gives them."""

    baud: int = Field(ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    unit_id: int = Field(default=1, ge=1, le=247)


class ModbusLimits(Strict):
    """What requests to this device must heed: how much one may ask, and when."""

    registers_per_request_max: int = Field(default=125, ge=1, le=125)
    bits_per_request_max: int = Field(default=2000, ge=1, le=2000)
    hole_registers_max: int = Field(default=16, ge=0, le=120)
    """Unused registers that a merged read may pass over; 0 where the device answers them with an error."""
    mask_write: bool = False
    """The device knows mask write register (22), which changes single bits of a register."""
    read_write: bool = False
    """The device knows read/write multiple registers (23): written and read back in one transaction."""
    broadcast: bool = False
    """The device heeds writes to unit 0, which reach everybody on its line and which nobody answers."""
    pause_s: float = Field(default=0, ge=0, le=60)
    """Rest before each request to this device, beyond the line's own."""
    late_answer_s: float | None = Field(default=None, ge=0, le=60)
    """How long after its timeout an answer of this device may still begin; without it, as the line says.
    After a failure a serial line does not ask it the like again for so long; TCP numbers its answers."""
    wake_after_s: float | None = Field(default=None, gt=0, le=86400)
    """When nothing was sent to the device for so long, a request goes ahead whose answer does not matter."""


class UnitCode(Strict):
    """One code of a unit register: the value in the point's unit is the device's times ``factor``."""

    code: int = Field(ge=0, le=0xFFFF)
    factor: float = Field(gt=0)


class SelfOff(Strict):
    """A device-side timer: a count of steps written to ``address`` by FC05 turns the output on, and after
    that time the device turns it off by itself.
    """

    address: Address
    step_ms: int = Field(ge=1)
    steps_max: int = Field(ge=1, le=0xFFFF)


_SWITCH = ("on_value", "off_value")
_ONE_WORD = ("word_order", *_SWITCH)
_MEANINGLESS: dict[DataType, tuple[str, ...]] = {
    "bool": ("word_order", "scale", "offset", "decimals", "range", "decimals_at", "unit_at"),
    "u16": _ONE_WORD,
    "i16": _ONE_WORD,
    "u32": _SWITCH,
    "i32": _SWITCH,
    "f32": ("decimals_at", *_SWITCH),
}
"""Keys that would be passed over in silence, by type of the point."""


class Point(Strict):
    """One quantity of the device, and how its registers spell it.

    value = (raw x scale + offset) x unit factor, rounded to ``decimals`` (by default those of scale and
    offset together), so that no binary residue travels.
    """

    name: ProfileName
    title: Title
    table: Table
    address: Address
    type: DataType = "u16"
    bit: int | None = Field(default=None, ge=0, le=15)
    """Which bit of its register a bool is, counted from the lowest; for status words."""
    word_order: Literal["big", "little"] = "big"
    """Order of the two words of u32, i32 and f32; big is the standard's."""
    scale: float = 1
    offset: float = 0
    decimals: int | None = Field(default=None, ge=0, le=6)
    unit: str = Field(default="1", min_length=1, max_length=20)
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Lowest and highest credible value; outside, the sample is uncertain (out_of_range)."""
    writable: bool = False
    on_value: int = Field(default=0xFF00, ge=0, le=0xFFFF)
    """What switches a bool on: the value of FC05 for a coil, of FC06 for a holding register."""
    off_value: int = Field(default=0x0000, ge=0, le=0xFFFF)
    """What switches it off. A bool in a holding register needs both; it reads as on unless it reads 0."""
    self_off: SelfOff | None = None
    decimals_at: Address | None = None
    """A register of the same table that says how many decimals the raw integer has."""
    unit_at: Address | None = None
    """A register of the same table with a unit code; ``unit_codes`` says what each means."""
    unit_codes: list[UnitCode] = Field(default=[])

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.table in BIT_TABLES and "type" not in self.model_fields_set:
            raise ValueError(f'table {self.table} holds single bits; add type = "bool"')
        if self.bit is not None:
            self._is_bit_of_register()
        elif (self.table in BIT_TABLES) != (self.type == "bool") and not self._is_switch_in_register:
            raise ValueError(
                f"type {self.type} in table {self.table}; coils and discrete inputs are bool, of registers "
                "only one bit, or a writable holding register with on_value and off_value"
            )
        if self.writable and self.table not in WRITABLE_TABLES:
            raise ValueError(f"table {self.table} cannot be written; set writable = false")
        if self.self_off and not (self.writable and self.type == "bool"):
            raise ValueError("self_off on a point that is not a writable bool; remove it")
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError("range is not ascending; write [lowest, highest]")
        if (self.unit_at is None) != (not self.unit_codes):
            raise ValueError("unit_at and unit_codes belong together; give both or neither")
        codes = [entry.code for entry in self.unit_codes]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"unit code {twice[0]:#04x} is given twice; remove one of them")
        if self.scale == 0:
            raise ValueError("scale 0 would make every value 0; give the factor of the document")
        if self.address + WORDS[self.type] > 0x10000:
            raise ValueError("its second word lies beyond address 0xFFFF; lower the address")
        for key in _MEANINGLESS[self.type]:
            if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                raise ValueError(f"{key} means nothing for type {self.type}; remove it")
        return self

    def _is_bit_of_register(self) -> None:
        if self.table in BIT_TABLES:
            raise ValueError(f"bit in table {self.table}, which holds single bits; remove it")
        if self.type != "bool":
            raise ValueError(f'bit is one bit of a register, and type {self.type} is more; add type = "bool"')
        if self.self_off:
            raise ValueError("self_off is written by FC05, and bit lies in a register; remove one of them")
        if (self.on_value, self.off_value) != (0xFF00, 0):
            raise ValueError(
                "on_value or off_value on one bit of a register, which is set or not; remove them"
            )

    @model_validator(mode="after")
    def _switches_one_way_or_the_other(self) -> Self:
        if not self.writable and (self.on_value, self.off_value) != (0xFF00, 0):
            raise ValueError("on_value or off_value on a point that is never written; remove them")
        if self.on_value == self.off_value:
            raise ValueError("on_value and off_value are the same; give what switches on and what off")
        return self

    @property
    def _is_switch_in_register(self) -> bool:
        own = self.table == "holding_register" and self.type == "bool" and self.writable
        return own and self.model_fields_set.issuperset(_SWITCH)

    @property
    def words(self) -> int:
        """How many registers (or bits) the value itself takes."""
        return WORDS[self.type]

    @property
    def rounding(self) -> int:
        """Decimals of the value, from ``decimals`` or from scale and offset."""
        if self.decimals is not None:
            return self.decimals
        exponents = [
            Decimal(str(number)).normalize().as_tuple().exponent for number in (self.scale, self.offset)
        ]
        return max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))


class Repeat(Strict):
    """Writes a point several times: ``{n}`` in its name and titles counts from ``first``."""

    count: int = Field(ge=1, le=256)
    first: int = Field(default=1, ge=0)
    step: int = Field(default=1, ge=1)
    """How far the addresses of neighbours lie apart; two for values of two words that follow each other."""


class PointEntry(Point):
    """A point as a file writes it: once, or repeated."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_{}-]*$",
            max_length=NAME_CHARACTERS_MAX,
            json_schema_extra={**NAME_FORM},
        ),
    ]
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _numbers_itself(self) -> Self:
        if ("{n}" in self.name) != (self.repeat is not None) or set(self.name.replace("{n}", "")) & {
            "{",
            "}",
        }:
            raise ValueError(
                f"name {self.name!r} and repeat do not fit; "
                "write {n} in the name of a repeated point, and only there"
            )
        if self.repeat and self.repeat.count > 1 and self.repeat.step < self.words:
            raise ValueError(f"copies of type {self.type} overlap; write step = {self.words} or more")
        try:
            self.points()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what, _ = plain_words(first)
            raise ValueError(
                f"its last copies do not fit: {where + ': ' if where else ''}{what}; "
                "lower count, step or address"
            ) from error
        return self

    def points(self) -> list[Point]:
        """Return the point, or its copies."""
        plain = self.model_dump(exclude={"repeat"})
        if self.repeat is None:
            return [Point.model_validate(plain)]
        copies = []
        for index in range(self.repeat.count):
            shift = index * self.repeat.step
            number = str(self.repeat.first + index)
            copy = dict(plain, name=self.name.replace("{n}", number), address=self.address + shift)
            copy["title"] = {key: text.replace("{n}", number) for key, text in plain["title"].items()}
            for key in ("decimals_at", "unit_at"):
                copy[key] = None if plain[key] is None else plain[key] + shift
            if plain["self_off"]:
                copy["self_off"] = dict(plain["self_off"], address=plain["self_off"]["address"] + shift)
            copies.append(Point.model_validate(copy))
        return copies


class Derived(Strict):
    """A quantity computed from points read together.

    inclination: the angle between the sensor's axis and the vertical, from roll and pitch in degrees.
    """

    name: ProfileName
    title: Title
    function: Literal["inclination"]
    of: list[ProfileName]
    unit: str = Field(min_length=1, max_length=20)
    decimals: int = Field(default=3, ge=0, le=6)

    @model_validator(mode="after")
    def _takes_two(self) -> Self:
        if len(set(self.of)) != 2 or len(self.of) != 2:
            raise ValueError('inclination takes two different points; write of = ["roll", "pitch"]')
        if self.unit != "deg":
            raise ValueError('inclination is an angle in degrees; write unit = "deg"')
        return self


class BaudCode(Strict):
    """One code of a register that says the device's speed."""

    code: int = Field(ge=0, le=0xFFFF)
    baud: int = Field(ge=300, le=1_000_000)


class Signature(Strict):
    """Registers that tell what a device is. What they hold is what the document says, and nothing else.

    unit_id: the address that it answers at. baud: its speed, as it is or by ``codes``. value: one of
    ``values``. text: ``words`` registers with characters, two in each, like ``text`` (* and ? stand for any).
    """

    table: Literal["holding_register", "input_register"]
    address: Address
    says: Literal["unit_id", "baud", "value", "text"]
    values: list[Annotated[int, Field(ge=0, le=0xFFFF)]] = Field(default=[], max_length=16)
    codes: list[BaudCode] = Field(default=[], max_length=16)
    text: str = Field(default="", max_length=64)
    words: int = Field(default=1, ge=1, le=32)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        needs = {"value": "values", "text": "text"}
        for says, key in needs.items():
            if (self.says == says) != bool(getattr(self, key)):
                raise ValueError(f'{key} and says = "{says}" belong together; give both or neither')
        if self.codes and self.says != "baud":
            raise ValueError('codes are of says = "baud" only; remove them')
        if self.words > 1 and self.says != "text":
            raise ValueError('words is of says = "text" only; remove it')
        return self


class Identification(Strict):
    """How the device tells what it is, where a document says so; `gengfu edge identify` asks for it.

    What a device answers to function 43/14 is held against ``vendor`` and ``models`` of the profile, without
    being declared here.
    """

    document: str = Field(min_length=1, max_length=500)
    """Where that is written."""
    server_id: str = Field(
        default="",
        pattern=r"^([0-9A-F]{2})*$",
        max_length=64,
        json_schema_extra={"form": "bytes in hexadecimal digits, as 010A"},
    )
    """What the answer to function 17 begins with."""
    registers: list[Signature] = Field(default=[], max_length=16)
    answers_unit_0: bool = False
    """Whether it also answers who asks unit 0 for the first of these registers; its answer names its unit."""

    @model_validator(mode="after")
    def _has_what_it_answers(self) -> Self:
        if self.answers_unit_0 and not self.registers:
            raise ValueError("answers_unit_0 without registers; give the register that unit 0 is asked for")
        return self


class Profile(Strict):
    """A documented device."""

    schema_version: Literal[1] = Field(alias="schema")
    id: ProfileName
    title: Title
    vendor: str = Field(min_length=1, max_length=80)
    models: list[Annotated[str, Field(min_length=1, max_length=80)]] = Field(min_length=1)
    document: str = Field(min_length=1, max_length=500)
    """Where the map was taken from, so that somebody can look again."""
    serial: SerialDefaults | None = None
    modbus: ModbusLimits = ModbusLimits()
    identification: Identification | None = None
    entries: list[PointEntry] = Field(alias="points", min_length=1)
    derived: list[Derived] = Field(default=[])

    @model_validator(mode="after")
    def _names_are_sound(self) -> Self:
        if len(self.points) > POINTS_MAX:
            raise ValueError(f"{len(self.points)} points; write {POINTS_MAX} at most")
        names = self.names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names given twice: {', '.join(twice)}; rename one of each")
        for each in self.points:
            if each.writable and each.bit is not None and not self.modbus.mask_write:
                raise ValueError(
                    f"{each.name} is a writable bit of a register; if the document knows function 22, "
                    "add mask_write = true to [modbus], else set writable = false"
                )
        for entry in self.derived:
            for name in entry.of:
                point = self.point(name)
                if point is None:
                    raise ValueError(f"{entry.name} is derived of {name}, which is no point; name a point")
                if point.unit != "deg":
                    raise ValueError(
                        f"{entry.name} is derived of {name} in {point.unit}; name a point in deg"
                    )
        return self

    @cached_property
    def points(self) -> list[Point]:
        """All points, repeated ones written out."""
        return [point for entry in self.entries for point in entry.points()]

    def with_points(self, points: Iterable[Point]) -> Self:
        """Return the same profile with these points; for shims. ValueError if they do not fit together."""
        plain = self.model_dump(by_alias=True) | {"points": [point.model_dump() for point in points]}
        return type(self).model_validate(plain)

    def with_modbus(self, **changes: float | None) -> Self:
        """Return the same profile with these keys of ``modbus`` changed; for shims. ValueError as above."""
        plain = self.model_dump(by_alias=True)
        return type(self).model_validate(plain | {"modbus": plain["modbus"] | changes})

    def point(self, name: str) -> Point | None:
        """Return the point of that name, or None."""
        return next((point for point in self.points if point.name == name), None)

    @property
    def names(self) -> list[str]:
        """Names of all points, then of all derived quantities."""
        return [point.name for point in self.points] + [entry.name for entry in self.derived]
