"""Commands: round trips, limits, and one named error for everything else; a document is no command."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from contract import commands, desired, topics
from contract.commands import Command, CommandKind, CommandRefusal
from contract.desired import Desired, DesiredKind
from contract.errors import ContractError
from contract.events import CommandOutcome, CommandResult
from contract.limits import (
    COMMAND_BYTES_MAX,
    COMMAND_HOLD_MS_MAX,
    COMMAND_LIFE_MS_MAX,
    TIME_MS_MAX,
    WHO_CHARACTERS_MAX,
)
from contract.signing import COMMAND_TYPE, KeyRing, SignatureError, SigningKey
from contract.topics import Kind

KEY = SigningKey.make()
RING = KeyRing([KEY.public.line], COMMAND_TYPE, bytes_max=COMMAND_BYTES_MAX)
ID = "0123456789abcdef0123456789abcdef"
SWITCH = Command(
    1, "north", "gw-1", ID, 7, 1000, 61_000, CommandKind.SWITCH, "relays/relay_1", "李", True, 90_000
)

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
people = st.characters(exclude_categories=["Cs", "Cc"])
issues = st.integers(0, TIME_MS_MAX - COMMAND_HOLD_MS_MAX)


@st.composite
def anything(draw: st.DrawFn) -> Command:
    """Draw a command of any kind."""
    kind, issued_ms = draw(st.sampled_from(CommandKind)), draw(issues)
    is_switch = kind is CommandKind.SWITCH
    levels = (1, 3) if kind is CommandKind.RESET_ALARM else (2, 2)
    return Command(
        1,
        draw(names),
        draw(names),
        draw(st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
        draw(st.integers(1, 2**62)),
        issued_ms,
        issued_ms + draw(st.integers(1, COMMAND_LIFE_MS_MAX)),
        kind,
        "/".join(draw(st.lists(names, min_size=levels[0], max_size=levels[1]))),
        draw(st.text(people, min_size=1, max_size=WHO_CHARACTERS_MAX)),
        draw(st.booleans()) if is_switch else None,
        issued_ms + draw(st.integers(1, COMMAND_HOLD_MS_MAX)) if is_switch else None,
    )


@given(anything())
def test_a_command_comes_back_as_it_was(command: Command) -> None:
    """Encoded, signed, opened and decoded; the longest names and texts fit."""
    signed = KEY.sign(commands.encode(command), COMMAND_TYPE)
    assert len(signed) <= COMMAND_BYTES_MAX
    assert commands.decode(RING.opened(signed)) == command
    assert topics.parse(topics.cmd(command.district, command.gateway, command.id)).kind is Kind.CMD


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"sequence": 0},
        {"id": "ABC"},
        {"gateway": "GW"},
        {"kind": "event_period"},
        {"who": ""},
        {"who": "li\x1b[31m"},
        {"who": "li\n"},
        {"who": "x" * (WHO_CHARACTERS_MAX + 1)},
        {"expires_ms": 1000},
        {"expires_ms": 1000 + COMMAND_LIFE_MS_MAX + 1},
        {"until_ms": 1000},
        {"until_ms": 1000 + COMMAND_HOLD_MS_MAX + 1},
        {"until_ms": None},
        {"value": None},
        {"value": 1},
        {"target": "relays"},
        {"target": "Relays/Relay 1"},
        {"target": "relays/relay_1/x"},
        {"kind": CommandKind.RELEASE},
        {"kind": CommandKind.RESET_ALARM, "value": None},
    ],
)
def test_a_command_that_breaks_the_contract_is_refused(changes: dict[str, Any]) -> None:
    """Even if it is signed; and nobody signs what no gateway would read."""
    broken = structs.replace(SWITCH, **changes)
    with pytest.raises(ContractError):
        commands.decode(msgspec.json.encode(broken))
    with pytest.raises(ContractError):
        commands.encode(broken)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode(errors="replace")))
def test_noise_is_the_named_error(noise: bytes) -> None:
    """Whatever arrives."""
    with pytest.raises(ContractError):
        commands.decode(noise)


@given(st.integers(0, 400), st.binary(max_size=4))
def test_a_harmed_command_is_a_command_or_the_named_error(place: int, patch: bytes) -> None:
    """Bytes put in anywhere: nothing but ContractError gets out."""
    data = commands.encode(SWITCH)
    try:
        told = commands.decode(data[:place] + patch + data[place + len(patch) :])
    except ContractError:
        return
    assert isinstance(told, Command)


@pytest.mark.parametrize("noise", [b"[" * 100_000, b'{"version":' * 30_000, b"\xff" * 10])
def test_deep_or_large_noise_is_the_named_error(noise: bytes) -> None:
    """Nothing recurses without end."""
    with pytest.raises(ContractError):
        commands.decode(noise)


def test_a_document_never_passes_as_a_command_nor_a_command_as_a_document() -> None:
    """The same key signs both: the type in the header tells them apart."""
    document = Desired(1, "north", "gw-1", DesiredKind.LAMP_PLAN, 7, 5, 6, None, "{}")
    with pytest.raises(SignatureError, match="gengfu-command"):
        RING.opened(KEY.sign(desired.encode(document)))
    with pytest.raises(SignatureError, match="gengfu-desired"):
        KeyRing([KEY.public.line]).opened(KEY.sign(commands.encode(SWITCH), COMMAND_TYPE))
    with pytest.raises(SignatureError, match="4096 at most"):
        RING.opened(b"A" * (COMMAND_BYTES_MAX + 1))


def test_a_command_is_late_when_it_has_expired_or_its_time_is_over() -> None:
    """Whichever is first."""
    short = structs.replace(SWITCH, until_ms=30_000)
    assert [SWITCH.is_over(ms) for ms in (60_999, 61_000)] == [False, True]
    assert [short.is_over(ms) for ms in (29_999, 30_000)] == [False, True]


def test_results_travel_and_those_of_older_gateways_are_read() -> None:
    """What was added has defaults."""
    full = CommandResult(
        "e" * 32,
        5,
        "",
        CommandOutcome.REFUSED,
        "no key",
        refusal=CommandRefusal.NO_KEY,
        digest="d" * 32,
        count=9,
    )
    plain = CommandResult("f" * 32, 5, ID, CommandOutcome.DONE, value=True)
    old = {
        "type": "command_result",
        "id": "f" * 32,
        "time_ms": 5,
        "command_id": ID,
        "outcome": "done",
        "reason": "",
        "value": True,
        "clock": "synchronised",
    }
    assert msgspec.convert(old, CommandResult) == plain
    for each in (full, plain):
        assert msgspec.json.decode(msgspec.json.encode(each), type=CommandResult) == each
