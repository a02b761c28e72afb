"""The gateway's settings: one TOML file. ``settings.example.toml`` beside this module is its manual."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from contract.desired import PUBLIC_KEY_PATTERN
from contract.messages import DeviceEntry
from edge.controls.settings import Control
from edge.lamps.settings import LAMPS_PER_GATEWAY_MAX, Lamp, Lighting
from edge.lines.line import Direction
from edge.lines.timing import BROADCAST_TURNAROUND_S
from edge.rules.settings import Alarm
from edge.setting_forms import Host, Name, PointName, Seconds, SecondsOrNone
from toml_files import Strict

EXAMPLE = Path(__file__).with_name("settings.example.toml")

MONTHLY_BYTES_MIN = 1024 * 1024
"""A batch of telemetry may be a quarter of it."""

TPM_PATTERN = r"^(device:/dev/[A-Za-z0-9_./-]+|tabrmd(:[!-~]+)?|swtpm:[!-~]+)$"
"""Of the names that the TPM2 software stack knows: others run commands or load libraries."""

PathOrNone = Annotated[str, Field(max_length=255)]
BroadcastTurnaround = Annotated[float, Field(ge=0, le=10)]


class Ref(NamedTuple):
    """A point of a device."""

    device: str
    point: str

    def __str__(self) -> str:
        """As settings write it."""
        return f"{self.device}/{self.point}"


def ref(text: str) -> Ref:
    """Take ``device/point`` apart."""
    device, _, point = text.partition("/")
    return Ref(device, point)


class Broker(Strict):
    """Where the MQTT broker is."""

    host: Host
    port: int = Field(default=1883, ge=1, le=65535)
    keepalive_s: int = Field(default=30, ge=5, le=1200)
    connect_timeout_s: Seconds = 10
    reconnect_min_s: Seconds = 1
    reconnect_max_s: Seconds = 60
    live_interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 1
    monthly_bytes_max: int = Field(default=0, ge=0, le=10**15)
    monthly_burst_days: Annotated[float, Field(ge=0.1, le=31)] = 3
    packet_extra_bytes: int = Field(default=0, ge=0, le=1000)
    tls_ca_file: PathOrNone = ""
    tls_cert_file: PathOrNone = ""
    tls_key_file: PathOrNone = ""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file belong together; give both, or none")
        if self.tls_cert_file and not self.tls_ca_file:
            raise ValueError(
                "tls_cert_file without tls_ca_file: say whom the broker's certificate is to be of"
            )
        return self

    @model_validator(mode="after")
    def _holds_a_batch(self) -> Self:
        if 0 < self.monthly_bytes_max < MONTHLY_BYTES_MIN:
            raise ValueError(
                f"monthly_bytes_max = {self.monthly_bytes_max} carries next to nothing; "
                f"give {MONTHLY_BYTES_MIN} at least, or 0 for no budget"
            )
        return self


class Buffer(Strict):
    """What is kept until the centre has it, and how it is sent."""

    flush_interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 5
    samples_per_batch_max: int = Field(default=5000, ge=1, le=10_000)
    bytes_max: int = Field(default=256 * 1024 * 1024, ge=64 * 1024)
    ballast_bytes: int = Field(default=1024 * 1024, ge=0, le=1024 * 1024 * 1024)
    quarantined_files_max: int = Field(default=3, ge=1, le=100)
    window_batches_max: int = Field(default=500, ge=1, le=1000)
    window_bytes_max: int = Field(default=1024 * 1024, ge=256 * 1024)
    window_delay_s: Annotated[float, Field(ge=0, le=60)] = 1
    acknowledge_timeout_s: Seconds = 10
    acknowledge_timeout_max_s: Seconds = 120
    stop_drain_s: SecondsOrNone = 5
    backfill_after_s: Seconds = 300
    audit_commit_timeout_s: Annotated[float, Field(ge=0, le=60)] = 1


class Clock(Strict):
    """What vouches for the wall clock, and how its steps are taken."""

    source: Literal["kernel", "wall"] = "kernel"
    step_ms_max: int = Field(default=500, ge=50, le=60_000)
    hold_back_s_max: SecondsOrNone = 3600
    synchronise_wait_s: SecondsOrNone = 30


PublicKeyLine = Annotated[
    str,
    Field(
        pattern=PUBLIC_KEY_PATTERN,
        json_schema_extra={"form": "ed25519: and 43 characters, as `gengfu collector init` tells them"},
    ),
]


class Centre(Strict):
    """Whose documents and commands are believed, and how often refusals are told."""

    public_keys: list[PublicKeyLine] = Field(default=[], max_length=8)
    report_interval_s: Annotated[float, Field(ge=1, le=86400)] = 60
    commands: bool = True


class Identity(Strict):
    """Where this gateway's key is kept, where its certificate is renewed, and when."""

    centre: str = Field(
        default="",
        max_length=255,
        pattern=r"^(https://[!-~]+)?$",
        json_schema_extra={"form": "https://host:8781, or empty"},
    )
    key: Literal["file", "tpm"] = "file"
    tpm: str = Field(
        default="device:/dev/tpmrm0",
        max_length=255,
        pattern=TPM_PATTERN,
        json_schema_extra={"form": "device:/dev/tpmrm0, or tabrmd, or swtpm:path=SOCKET for a simulated one"},
    )
    renew_at_share: Annotated[float, Field(ge=0.1, le=0.9)] = 0.5
    unset_wait_s: Seconds = 120
    retry_min_s: Seconds = 60
    retry_max_s: Seconds = 21_600

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError("retry_max_s is less than retry_min_s; raise it, or lower retry_min_s")
        return self


class Configuration(Strict):
    """How settings that the centre sends are tried; the former ones' word counts."""

    remote: bool = True
    confirm_timeout_s: Annotated[float, Field(ge=5, le=3600)] = 600


class Support(Strict):
    """How much a support bundle takes of what may be long."""

    part_bytes_max: int = Field(default=1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    journal_lines_max: int = Field(default=2000, ge=1, le=100_000)
    kernel_lines_max: int = Field(default=300, ge=1, le=10_000)
    command_timeout_s: Annotated[float, Field(ge=0.1, le=120)] = 10


class SerialSide(Strict):
    """How a serial bus runs, whatever leads to it."""

    baud: int = Field(ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    transmission_mode: Literal["rtu", "ascii"] = "rtu"
    turnaround_s: SecondsOrNone = 0
    broadcast_turnaround_s: BroadcastTurnaround = BROADCAST_TURNAROUND_S
    late_answer_s: SecondsOrNone = 0.2

    @model_validator(mode="after")
    def _holds_a_byte(self) -> Self:
        if self.transmission_mode == "rtu" and self.data_bits != 8:
            raise ValueError('rtu needs 8 data_bits; write data_bits = 8, or transmission_mode = "ascii"')
        return self


class SerialLine(SerialSide):
    """A serial bus on a port of this machine."""

    kind: Literal["serial"]
    name: Name
    port: str = Field(min_length=1, max_length=255)
    direction: Direction = "auto"


class SerialOverTcp(SerialSide):
    """A serial bus behind a converter that passes its bytes over TCP as they are."""

    kind: Literal["serial_over_tcp"]
    name: Name
    host: Host
    port: int = Field(default=502, ge=1, le=65535)
    connect_timeout_s: Seconds = 3


class TcpLine(Strict):
    """A Modbus TCP endpoint."""

    kind: Literal["tcp"]
    name: Name
    host: Host
    port: int = Field(default=502, ge=1, le=65535)
    connect_timeout_s: Seconds = 3
    broadcast_turnaround_s: BroadcastTurnaround = BROADCAST_TURNAROUND_S


Line = Annotated[SerialLine | SerialOverTcp | TcpLine, Field(discriminator="kind")]


class Report(Strict):
    """Which of the measured samples of a point are kept and sent."""

    mode: Literal["every", "on_change", "mean"] = "every"
    deadband: float = Field(default=0, ge=0)
    shortest_s: SecondsOrNone = 0
    longest_s: Seconds = 900
    interval_s: Annotated[float, Field(ge=0.1, le=86400)] = 60

    @model_validator(mode="after")
    def _uses_its_keys(self) -> Self:
        keys = {"on_change": {"deadband", "shortest_s", "longest_s"}, "mean": {"interval_s"}}
        for mode, its_own in keys.items():
            if mode != self.mode and (strangers := sorted(its_own & self.model_fields_set)):
                raise ValueError(
                    f'{strangers[0]} is of mode "{mode}" only; remove it, or write mode = "{mode}"'
                )
        if self.longest_s < self.shortest_s:
            raise ValueError(
                f"longest_s is less than shortest_s; give {self.shortest_s:g} at least, or a lower shortest_s"
            )
        return self


class DeviceReport(Report):
    """The same for some points of a device; without points, for all that no other names."""

    points: list[Name] = Field(default=[], max_length=1000)


class Device(Strict):
    """One device on a line."""

    name: Name
    line: Name
    unit_id: int = Field(default=1, ge=1, le=247)
    profile: Name
    firmware: str = Field(default="", max_length=40)
    shims: list[Name] = Field(default=[], max_length=16)
    points: list[Name] = Field(default=[], max_length=1000)
    feeder: PointName | None = None
    interval_s: Annotated[float, Field(ge=0.05, le=86400)] = 5
    timeout_s: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    pause_s: Annotated[float, Field(ge=0, le=60)] = 0
    report: list[DeviceReport] = Field(default=[], max_length=100)
    title: str = Field(default="", max_length=80)
    part: str = Field(
        default="", pattern=r"^([0-9]{16})?$", json_schema_extra={"form": "16 digits, or empty"}
    )


class Settings(Strict):
    """Everything a gateway needs to know."""

    schema_version: Literal[1] = Field(alias="schema")
    district: Name
    gateway: Name
    state_folder: str = Field(default="state", min_length=1, max_length=255)
    profile_folders: list[str] = Field(default=[], max_length=16)
    utc_offset_min: int = Field(default=480, ge=-720, le=840)
    broker: Broker
    buffer: Buffer = Buffer()
    clock: Clock = Clock()
    centre: Centre = Centre()
    identity: Identity = Identity()
    configuration: Configuration = Configuration()
    report: Report = Report()
    support: Support = Support()
    lines: list[Line] = Field(default=[], max_length=64)
    devices: list[Device] = Field(default=[], max_length=1000)
    alarms: list[Alarm] = Field(default=[], max_length=1000)
    controls: list[Control] = Field(default=[], max_length=200)
    lighting: Lighting = Lighting()
    lamps: list[Lamp] = Field(default=[], max_length=LAMPS_PER_GATEWAY_MAX)

    @property
    def inventory(self) -> list[DeviceEntry]:
        """The devices as the hello tells them."""
        return [
            DeviceEntry(device.name, device.profile, device.line, device.title, device.part)
            for device in self.devices
        ]
