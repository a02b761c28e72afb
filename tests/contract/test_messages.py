"""Small messages and topics: round trips, and one named error for everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from contract import messages, topics
from contract.errors import ContractError
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState
from contract.stretches import Stretch, Stretches
from contract.topics import Kind, Lane, Topic

ID = "0123456789abcdef0123456789abcdef"
HELLO = Hello(
    1, "north", "gw-1", ID, "0.1.0", 5, ClockState.UNSET, [EpochRange(ID, {"events": LaneRange(1, 1)})]
)
STRETCHES: dict[str, Stretches] = {"events": (Stretch(ID, 1), Stretch("", 7))}
TELLING = structs.replace(HELLO, epochs=[EpochRange(ID, {"events": LaneRange(9, 9)}, STRETCHES)])


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (HELLO, Hello),
        (TELLING, Hello),
        (Ack(1, ID, 7, ID), Ack),
        (Ack(1, ID, 0), Ack),
        (State(1, True, ID), State),
    ],
)
def test_messages_come_back_as_they_were(message: Ack, kind: type[Ack]) -> None:
    """JSON and back; Ack stands for any of them in the types."""
    assert messages.decode(messages.encode(message), kind) == message


def test_a_hello_names_boots_only_where_something_was_delivered() -> None:
    """One without them is as those of older gateways, which name none."""
    assert b"stretches" not in messages.encode(HELLO)
    assert f'"stretches":{{"events":[["{ID}",1],["",7]]}}'.encode() in messages.encode(TELLING)


def test_a_hello_of_a_gateway_that_knows_no_documents_is_read() -> None:
    """Gateways are older than their centre; and an older centre passes over what it does not know."""
    told = messages.encode(HELLO).replace(b',"desired":{}', b"")
    assert b"desired" not in told
    assert messages.decode(told, Hello).desired == {}
    assert messages.decode(told[:-1] + b',"newer":1}', Hello) == HELLO


@given(st.binary(max_size=300))
def test_noise_is_the_named_error(noise: bytes) -> None:
    """Whatever arrives on a topic."""
    with pytest.raises(ContractError):
        messages.decode(noise, Ack)


@pytest.mark.parametrize(
    "text",
    [
        b'{"version":2,"epoch":"0123456789abcdef0123456789abcdef","upto":1}',
        b'{"version":1,"epoch":"nope","upto":1}',
        b'{"version":1,"epoch":"0123456789abcdef0123456789abcdef","upto":-1}',
        b'{"version":1,"epoch":"0123456789abcdef0123456789abcdef","upto":1,"digest":"x"}',
        b"[" * 100_000,
        b'"' + b"x" * 300_000 + b'"',
    ],
)
def test_malformed_acknowledgements_are_refused(text: bytes) -> None:
    """A gateway deletes on these: nothing loose is taken."""
    with pytest.raises(ContractError):
        messages.decode(text, Ack)


@pytest.mark.parametrize(
    "topic",
    [
        Topic("north", "gw-1", Kind.HELLO),
        Topic("north", "gw-1", Kind.UP, Lane.EVENTS),
        Topic("north", "gw-1", Kind.ACK, Lane.TELEMETRY),
        Topic("north", "gw-1", Kind.CMD, "c1"),
        Topic("north", "gw-1", Kind.DESIRED, "lamp_plan"),
    ],
)
def test_topics_come_back_as_they_were(topic: Topic) -> None:
    """To text and back."""
    assert topics.parse(str(topic)) == topic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gengfu/1/north/gw-1",
        "gengfu/2/north/gw-1/hello",
        "gengfu/1/North/gw-1/hello",
        "gengfu/1/north/gw-1/hello/more",
        "gengfu/1/north/gw-1/up",
        "gengfu/1/north/gw-1/up/other",
        "gengfu/1/north/gw-1/up/events/more",
        "gengfu/1/north//hello",
        "gengfu/1/north/gw-1/cmd/",
        "gengfu/1/north/" + "g" * 65 + "/hello",
        "g" * 300,
    ],
)
def test_foreign_topics_are_the_named_error(text: str) -> None:
    """A topic of another version, shape or spelling is refused with its text."""
    with pytest.raises(ContractError):
        topics.parse(text)


@given(st.text(max_size=80))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    """Only ContractError, ever."""
    try:
        topics.parse("gengfu/1/" + text)
    except ContractError as error:
        assert str(error)  # noqa: PT017 - the point is that no other error comes
