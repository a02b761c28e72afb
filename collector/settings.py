"""The centre's settings: one TOML file. ``settings.example.toml`` beside this module is its manual."""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, TypeVar
from zoneinfo import ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_validator, model_validator

from collector.alarms.settings import AlarmSettings
from collector.cases.settings import CaseClass, Cases
from collector.deadlines.calendar import WorkingCalendar
from collector.deadlines.settings import Deadlines, competing_rules
from collector.enrolment.settings import Enrolment
from collector.enrolment.settings_files import EnrolmentFiles, told_enrolment
from collector.exchange.settings import Exchange
from collector.fleet.settings import Fleet
from collector.incidents.settings import Incidents
from collector.parts.settings import PartSettings
from collector.people.settings import People
from collector.platforms.settings import (
    PLATFORMS_MAX,
    CityPlatform,
    LoadedPlatform,
    Platform,
    Url,
    load_platforms,
)
from collector.postgresql import Postgresql
from collector.state_settings import State, told_state
from collector.telling.files import Files, told_files
from collector.telling.settings import Telling
from collector.tls_files import BrokerTls, TlsFileError, TlsFiles, checked, checked_broker
from device_profiles import catalogue
from device_profiles.schema import Profile, ProfileName
from lighting.nights import zone
from toml_files import Problem, Strict, TomlFile, TomlFileError

EXAMPLE = Path(__file__).with_name("settings.example.toml")
UTC_OFFSET_STEP_MIN = 15
STORES_MAX = 4
TOKEN_BYTES_MAX = 4096
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Name = ProfileName
Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]
T = TypeVar("T")


class Broker(Strict):
    """Where the MQTT broker is, and how the session with it is kept."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=1883, ge=1, le=65_535)
    client_id: str = Field(default="", max_length=64)
    keepalive_s: int = Field(default=30, ge=5, le=1200)
    connect_timeout_s: Seconds = 10
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 30
    session_expiry_s: int = Field(default=7 * 86_400, ge=0, le=365 * 86_400)
    receive_maximum: int = Field(default=200, ge=1, le=65_535)
    tls_ca_file: str = Field(default="", max_length=255)
    tls_cert_file: str = Field(default="", max_length=255)
    tls_key_file: str = Field(default="", max_length=255)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file belong together; give both, or none")
        if self.tls_cert_file and not self.tls_ca_file:
            raise ValueError(
                "tls_cert_file without tls_ca_file: say whom the broker's certificate is to be of"
            )
        return self


class Http(Strict):
    """Where the API is served, and to whom."""

    port: int = Field(default=8780, ge=0, le=65_535)
    tls_cert_file: str = Field(default="", max_length=255)
    tls_key_file: str = Field(default="", max_length=255)
    behind_proxy: bool = False
    body_bytes_max: int = Field(default=4 * 1024**2, ge=64 * 1024, le=64 * 1024**2)
    host: str = Field(default="127.0.0.1", max_length=64)

    @property
    def is_loopback(self) -> bool:
        """Say whether only this machine is served."""
        return self.host in LOOPBACK

    @field_validator("host")
    @classmethod
    def _is_safe(cls, host: str, told: ValidationInfo) -> str:
        """Serve other machines only where nobody on the way reads passwords."""
        if host in LOOPBACK:
            return host
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError(f"{host!r} is no address of this machine; write one as 0.0.0.0 or ::") from error
        if not (told.data.get("tls_cert_file") or told.data.get("behind_proxy")):
            raise ValueError(
                "other machines are served over TLS only: give tls_cert_file and tls_key_file, or say "
                "behind_proxy = true where a proxy of yours does TLS; or write one of "
                f"{', '.join(LOOPBACK)}"
            )
        return host

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file belong together; give both, or none")
        return self


class Limits(Strict):
    """How much is taken, kept and done at once."""

    ingest_queue_bytes_max: int = Field(default=32 * 1024**2, ge=512 * 1024)
    commit_batches_max: Count = 500
    commit_bytes_max: int = Field(default=8 * 1024**2, ge=512 * 1024)
    repeat_interval_s: Annotated[float, Field(ge=0, le=3600)] = 1
    gateways_max: Count = 2000
    connections_per_s_max: Annotated[float, Field(ge=1, le=10_000)] = 50
    epochs_per_gateway_max: int = Field(default=64, ge=1, le=10_000)
    journal_bytes_max: int = Field(default=4 * 1024**3, ge=1024**2)
    journal_retention_days: Days = 90
    series_retention_days: Days = 730
    events_retention_days: Days = 730
    outbox_retention_days: Days = 730
    platform_statuses_retention_days: Days = 730
    lamp_nights_retention_days: Days = 1100
    connections_retention_days: Days = 1100
    connections_max: Count = 1_000_000
    dead_letters_max: Count = 1000
    projection_batches_max: Count = 200
    housekeeping_interval_s: Seconds = 10
    stuck_after_s: Seconds = 60

    @model_validator(mode="after")
    def _a_transaction_fits(self) -> Self:
        if self.journal_bytes_max < 2 * self.commit_bytes_max:
            raise ValueError(
                "journal_bytes_max is less than twice commit_bytes_max: a transaction might never fit; "
                "raise journal_bytes_max or lower commit_bytes_max"
            )
        return self


class DesiredDocuments(Strict):
    """How documents for gateways are sent and kept."""

    retry_min_s: Seconds = 10
    retry_max_s: Seconds = 3600
    history_max: int = Field(default=20, ge=2, le=1000)
    push_bytes_max: int = Field(default=32 * 1024**2, ge=1024**2, le=1024**3)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError("retry_max_s is less than retry_min_s; raise it, or lower retry_min_s")
        return self


class SeriesStore(Strict):
    """A series store outside the centre that is sent every sample."""

    name: Annotated[Name, Field(max_length=24)]
    kind: Literal["influxdb"]
    url: Url
    org: str = Field(default="", max_length=200)
    bucket: str = Field(default="gengfu", min_length=1, max_length=200)
    token_file: str = Field(default="", max_length=255)
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10
    store_settle_s: Annotated[float, Field(ge=1, le=86_400)] = 60
    lines_per_write_max: int = Field(default=5000, ge=1, le=50_000)


class Lamps(Strict):
    """Where the nights of lamps begin and end."""

    time_zone: str = Field(default="", max_length=64)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            zone(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"no time zone {name!r}; write one as Asia/Shanghai, or leave it empty"
            ) from error
        return name


class Settings(Strict):
    """Everything a centre needs to know; paths as they are written."""

    schema_version: Literal[1] = Field(alias="schema")
    district: Name
    data_folder: str = Field(default="data", min_length=1, max_length=255)
    utc_offset_min: int = Field(default=480, ge=-14 * 60, le=14 * 60)
    parts_file: str = Field(default="", max_length=255)
    profile_folders: list[str] = Field(default=[], max_length=16)
    broker: Broker
    http: Http = Http()
    state: State = State()
    limits: Limits = Limits()
    platform: Platform | None = None
    platforms: list[CityPlatform] = Field(default=[], max_length=PLATFORMS_MAX)
    desired: DesiredDocuments = DesiredDocuments()
    alarms: AlarmSettings = AlarmSettings()
    cases: Cases = Cases()
    deadlines: Deadlines = Deadlines()
    enrolment: Enrolment = Enrolment()
    exchange: Exchange = Exchange()
    parts: PartSettings = PartSettings()
    lamps: Lamps = Lamps()
    incidents: Incidents = Incidents()
    fleet: Fleet = Fleet()
    people: People = People()
    telling: Telling = Telling()
    series_stores: list[SeriesStore] = Field(default=[], max_length=STORES_MAX)
    case_classes: list[CaseClass] = Field(default=[], max_length=1000)

    @property
    def lamps_zone(self) -> tzinfo:
        """Local time for the nights of lamps."""
        named = self.lamps.time_zone
        return zone(named) if named else timezone(timedelta(minutes=self.utc_offset_min))

    @field_validator("utc_offset_min")
    @classmethod
    def _is_a_time_zone(cls, offset: int) -> int:
        if offset % UTC_OFFSET_STEP_MIN:
            meant = f"; write {offset * 60} if {offset} hours were meant" if abs(offset) <= 14 else ""
            raise ValueError(
                f"{offset} minutes is no time zone: all are whole quarters of an hour"
                f"{meant or '; write minutes, as 480 for China'}"
            )
        return offset


@dataclass(frozen=True)
class Loaded:
    """Settings with what they point to; the data folder is absolute.

    ``parts_file`` is the path of the part register, which is read when it is imported; None: there is none.
    """

    settings: Settings
    data_folder: Path
    parts_file: Path | None
    profiles: dict[str, Profile]
    calendar: WorkingCalendar
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    platforms: tuple[LoadedPlatform, ...] = ()
    telling: Files | None = None
    """People and channels; None: nobody is told anything."""
    tls: TlsFiles | None = None
    broker_tls: BrokerTls | None = None
    enrolment: EnrolmentFiles | None = None
    """The authority and the files beside it; None: nobody is enrolled here."""
    state: Postgresql | None = None
    """The database of journal and state; None: a file in the data folder."""


def load(path: Path) -> Loaded:
    """Read the settings, the profiles and the calendar.

    TomlFileError lists every mistake with file, line, key and remedy.
    """
    file = TomlFile.read(path)
    settings = file.parse(Settings)
    problems = [*_duplicates(settings, file), *competing_rules(settings.deadlines, file)]
    profiles: dict[str, Profile] = {}
    try:
        profiles = catalogue.load_beside(path, file, settings.profile_folders)
    except TomlFileError as error:
        problems += error.problems
    tokens: dict[str, str] = {}
    for index, store in enumerate(settings.series_stores):
        if store.token_file:
            try:
                tokens[store.name] = _token(path.parent / store.token_file)
            except (OSError, ValueError) as error:
                what = f"{store.token_file}: {str(getattr(error, 'strerror', '') or error).lower()}"
                remedy = "name a readable file that holds the token and nothing else"
                problems.append(file.problem(("series_stores", index, "token_file"), what, remedy))
    tls, mistakes = _load_tls(settings, path.parent, file)
    problems += mistakes
    platforms, mistakes = load_platforms(file, path.parent, settings.platform, settings.platforms)
    problems += mistakes
    telling: Files | None = None
    try:
        telling = told_files(settings.telling, path.parent)
    except TomlFileError as error:
        problems += error.problems
    try:
        calendar = settings.deadlines.calendar(path.parent, settings.utc_offset_min)
    except TomlFileError as error:
        raise TomlFileError([*problems, *error.problems]) from error
    state: Postgresql | None = None
    try:
        state = told_state(file, path.parent, settings.state)
    except TomlFileError as error:
        problems += error.problems
    if problems:
        raise TomlFileError(problems)
    return Loaded(
        settings,
        data_folder=(path.parent / settings.data_folder).absolute(),
        parts_file=path.parent / settings.parts_file if settings.parts_file else None,
        profiles=profiles,
        calendar=calendar,
        tokens=tokens,
        platforms=tuple(platforms),
        telling=telling,
        tls=tls.http,
        broker_tls=tls.broker,
        enrolment=tls.enrolment,
        state=state,
    )


class _Tls(NamedTuple):
    """The files of TLS, by what they are for."""

    http: TlsFiles | None
    broker: BrokerTls | None
    enrolment: EnrolmentFiles | None


def _load_tls(settings: Settings, folder: Path, file: TomlFile) -> tuple[_Tls, list[Problem]]:
    """Return what is named and sound, and what is wrong with the rest."""
    problems: list[Problem] = []

    def told(table: str, load: Callable[[], T]) -> T | None:
        try:
            return load()
        except TlsFileError as error:
            problems.append(file.problem((table, error.which), str(error), error.remedy))
            return None

    http, broker = settings.http, settings.broker
    served = reached = None
    if http.tls_cert_file:
        served = told("http", lambda: checked(folder / http.tls_cert_file, folder / http.tls_key_file))
    if broker.tls_ca_file:
        names = broker.tls_ca_file, broker.tls_cert_file, broker.tls_key_file
        reached = told("broker", lambda: checked_broker(folder, *names))
    enrolment = told("enrolment", lambda: told_enrolment(settings.enrolment, folder))
    return _Tls(served, reached, enrolment), problems


def _token(path: Path) -> str:
    """Return the one word that the file holds; OSError or ValueError where there is none."""
    with path.open("rb") as opened:
        raw = opened.read(TOKEN_BYTES_MAX + 1)
    token = raw.strip()
    if not token or len(raw) > TOKEN_BYTES_MAX or not all(0x21 <= byte <= 0x7E for byte in token):
        raise ValueError("holds no token: one word of ASCII, no spaces")
    return token.decode("ascii")


def _duplicates(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, entry in enumerate(settings.case_classes):
        if entry.problem in seen:
            what = f"problem {entry.problem!r} is given twice"
            yield file.problem(("case_classes", index, "problem"), what, "keep one of them")
        seen.add(entry.problem)
    names: set[str] = set()
    for index, store in enumerate(settings.series_stores):
        if store.name in names:
            what = f"series store {store.name!r} is given twice"
            yield file.problem(("series_stores", index, "name"), what, "give each a name of its own")
        names.add(store.name)
