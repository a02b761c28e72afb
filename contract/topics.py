"""MQTT topics, version 1: ``gengfu/1/{district}/{gateway}/…``. A collector subscribes to its district."""

from enum import StrEnum
from typing import NamedTuple

from contract.desired import DesiredKind
from contract.errors import ContractError
from contract.names import checked_name

ROOT = "gengfu/1"
TOPIC_CHARACTERS_MAX = 256


class Lane(StrEnum):
    """Durable lanes of a gateway; events drain first."""

    EVENTS = "events"
    TELEMETRY = "telemetry"


class Kind(StrEnum):
    """What a topic carries."""

    HELLO = "hello"  # gateway → collector: epoch, lanes, inventory
    UP = "up"  # gateway → collector: durable batches, by lane
    ACK = "ack"  # collector → gateway: cumulative acknowledgement, by lane
    STATE = "state"  # gateway, retained, with a will: online or offline
    LIVE = "live"  # gateway → collector, QoS 0: newest values, while somebody watches
    WATCH = "watch"  # collector → gateway, QoS 0: somebody does
    CMD = "cmd"  # collector → gateway: one command, with expiry
    DESIRED = "desired"  # collector → gateway, retained: what holds now, signed, by document kind


class Topic(NamedTuple):
    """A parsed topic; ``name`` is the lane of up and ack, the command id of cmd, the kind of desired."""

    district: str
    gateway: str
    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        """The topic as MQTT wants it."""
        tail = f"/{self.name}" if self.name else ""
        return f"{ROOT}/{self.district}/{self.gateway}/{self.kind}{tail}"


def hello(district: str, gateway: str) -> str:
    """Topic of a gateway's hello."""
    return str(Topic(district, gateway, Kind.HELLO))


def up(district: str, gateway: str, lane: Lane) -> str:
    """Topic of a gateway's batches in one lane."""
    return str(Topic(district, gateway, Kind.UP, lane))


def ack(district: str, gateway: str, lane: Lane) -> str:
    """Topic of the collector's acknowledgements of one lane."""
    return str(Topic(district, gateway, Kind.ACK, lane))


def state(district: str, gateway: str) -> str:
    """Topic of a gateway's retained state."""
    return str(Topic(district, gateway, Kind.STATE))


def live(district: str, gateway: str) -> str:
    """Topic of a gateway's newest values, which nobody acknowledges."""
    return str(Topic(district, gateway, Kind.LIVE))


def watch(district: str, gateway: str) -> str:
    """Topic on which a gateway hears that somebody watches."""
    return str(Topic(district, gateway, Kind.WATCH))


def desired(district: str, gateway: str, kind: str) -> str:
    """Topic of a gateway's desired document of one kind; "+" is all kinds, "" what they begin with."""
    return f"{Topic(district, gateway, Kind.DESIRED)}/{kind}"


def cmd(district: str, gateway: str, command_id: str) -> str:
    """Topic of one command to a gateway; "+" is all commands, "" what they begin with."""
    return f"{Topic(district, gateway, Kind.CMD)}/{command_id}"


def client_id(district: str, gateway: str) -> str:
    """Return under which id a gateway connects; a broker may put the name of its certificate in its place."""
    return f"gengfu-{district}-{gateway}"


def parse(text: str) -> Topic:
    """Take a received topic apart; ContractError if it is none of ours."""
    if len(text) > TOPIC_CHARACTERS_MAX:
        raise ContractError(f"topic of {len(text)} characters, {TOPIC_CHARACTERS_MAX} at most")
    levels = text.split("/")
    if len(levels) not in (5, 6) or "/".join(levels[:2]) != ROOT:
        raise ContractError(f"topic {text[:80]!r} is not {ROOT}/district/gateway/kind[/name]")
    district = checked_name(levels[2], "district")
    gateway = checked_name(levels[3], "gateway")
    try:
        kind = Kind(levels[4])
    except ValueError as error:
        raise ContractError(f"topic kind {levels[4][:80]!r} is none of {', '.join(Kind)}") from error
    name = levels[5] if len(levels) == 6 else ""
    if kind in (Kind.UP, Kind.ACK):
        if name not in list(Lane):
            raise ContractError(f"lane {name[:80]!r} is none of {', '.join(Lane)}")
    elif kind is Kind.CMD:
        checked_name(name, "command id")
    elif kind is Kind.DESIRED:
        if name not in list(DesiredKind):
            raise ContractError(f"document kind {name[:80]!r} is none of {', '.join(DesiredKind)}")
    elif name:
        raise ContractError(f"topic {text[:80]!r} ends in a level that {kind} does not have")
    return Topic(district, gateway, kind, name)
