"""Both connectors, over all that a platform can and all that it does wrong."""

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from collector.platforms.desk import DeskConnector
from collector.platforms.mapping import PlatformMapping
from collector.platforms.protocol import NotSent, Outgoing, Perhaps, Statuses, Untold
from collector.platforms.rest import RestConnector
from collector.tables import cases, outbox
from contract.topics import Lane
from simulators.city_callbacks import Telling
from simulators.city_platform import CasePlatform, Faults, PlatformServer
from tests.collector.making import given, happened, projected, raised, settings, standing, up
from tests.collector.platforms import conformance, making
from tests.collector.platforms.conformance import Bench
from tests.collector.platforms.making import CALLBACKS, KEY, LOOK_UP, POLL, SHORT_S
from tests.collector.platforms.serving import Racing, until

ALWAYS: dict[str, dict[str, float]] = {
    name: {name: 1.0}
    for name in (
        *("timeout", "error_500", "error_429", "garbage", "error_500_kept", "error_429_bare", "half_body"),
        *("drip", "redirect", "conflict"),
    )
}
ABILITIES: dict[str, tuple[str, ...]] = {
    "key": (KEY,),
    "question": (LOOK_UP,),
    "both": (KEY, LOOK_UP),
    "neither": (),
}


def bench(abilities: str, **faults: float) -> AbstractContextManager[Bench]:
    """Return a REST connector and a platform of some abilities, that misbehaves."""
    tables = ABILITIES[abilities]
    timeout_s = SHORT_S if set(faults) & {"timeout", "drip"} else making.TIMEOUT_S
    return making.bench(platform_of(tables, Faults(**faults)), making.mapping(*tables), timeout_s=timeout_s)


def platform_of(tables: tuple[str, ...], faults: Faults) -> CasePlatform:
    """Return a platform that can what a mapping file says of it."""
    return making.simulated(faults, key=KEY in tables, look_up=LOOK_UP in tables)


async def closing(check: Any, on: Bench, *arguments: Any) -> Any:
    """Run a check and let go of the connection."""
    try:
        return await check(on, *arguments)
    finally:
        await on.connector.close()


@pytest.mark.parametrize("abilities", ABILITIES)
@pytest.mark.parametrize("fault", ALWAYS)
def test_what_is_said_of_a_message_is_true_whatever_the_platform_does(fault: str, abilities: str) -> None:
    """An answer that is not understood is never one that says that nothing was taken."""
    with bench(abilities, **ALWAYS[fault]) as on:
        kinds = asyncio.run(closing(conformance.says_what_is_true, on, 1))
    is_clear = fault in ("error_429", "error_429_bare", "conflict")
    assert (set(kinds) <= {"NotSent", "Taken"}) is is_clear


@pytest.mark.parametrize("abilities", ["key", "both"])
def test_a_repetition_is_known(abilities: str) -> None:
    """By its key."""
    with bench(abilities) as on:
        asyncio.run(closing(conformance.knows_a_repetition, on))


@pytest.mark.parametrize("abilities", ["question", "both"])
def test_what_is_there_is_found(abilities: str) -> None:
    """And what is not is not."""
    with bench(abilities) as on:
        asyncio.run(closing(conformance.finds_what_is_there, on))


@pytest.mark.parametrize("tables", [(KEY,), (LOOK_UP,), (KEY, LOOK_UP, POLL)])
def test_a_platform_that_is_not_there_was_sent_nothing_and_says_nothing(tables: tuple[str, ...]) -> None:
    """No connection is no answer."""
    on = Bench(making.connector("http://127.0.0.1:1", making.mapping(*tables)), lambda _key: 0)
    asyncio.run(closing(conformance.says_that_it_cannot_say, on))


def test_everything_that_happened_is_told_once_page_by_page() -> None:
    """Three to a page."""
    telling = Telling(step_s=0.02)
    with making.bench(making.simulated(Faults(), telling=telling), making.mapping(KEY, POLL)) as on:

        async def scenario() -> None:
            outgoing, key = conformance.message(1)
            await on.connector.send(outgoing, key)
            await until(lambda: on.told_stage() == 5)
            await conformance.tells_every_event_once(on)

        asyncio.run(closing(lambda _on: scenario(), on))


@pytest.mark.parametrize("abilities", ABILITIES)
def test_kinds_without_a_place_are_left_out(abilities: str) -> None:
    """They are no failure."""
    with bench(abilities) as on:
        asyncio.run(closing(conformance.leaves_out_what_it_is_not_told, on))


def desk() -> Bench:
    """Return the built-in desk, which has every case that it is shown."""
    return Bench(DeskConnector(), lambda _key: 1)


def test_the_built_in_desk_conforms() -> None:
    """It takes every case, and is told of nothing else: what happens to a case happens there."""

    async def scenario() -> None:
        assert await conformance.says_what_is_true(desk(), 3) == ["Taken"] * 3
        await conformance.knows_a_repetition(desk())
        outgoing, key = conformance.message(1, "stage")
        assert isinstance(await desk().connector.send(outgoing, key), Untold)
        assert (await desk().connector.statuses("x")) == Statuses((), "x")

    asyncio.run(scenario())


class Garbled(RestConnector):
    """The control: it takes any 2xx for taken, and any failure for nothing taken."""

    async def send(self, message: Outgoing, key: str) -> Any:
        """See Connector."""
        answered = await super().send(message, key)
        if isinstance(answered, Perhaps):
            return NotSent(answered.reason)
        return answered


@pytest.mark.parametrize("fault", ["timeout", "garbage", "error_500_kept", "half_body", "drip"])
def test_a_connector_that_takes_silence_for_a_refusal_is_found_out(fault: str) -> None:
    """The suite would not be worth much else."""
    with bench("neither", **ALWAYS[fault]) as on:
        wrong = Garbled(
            on.connector._url,  # type: ignore[attr-defined]
            making.mapping(),
            timeout_s=SHORT_S,
            now_ms=making.now_ms,
            new_id=lambda: "n",
        )
        with pytest.raises(AssertionError, match="said not to be taken"):
            asyncio.run(closing(conformance.says_what_is_true, Bench(wrong, on.kept), 1))


@pytest.mark.parametrize("abilities", ABILITIES)
def test_through_the_outbox_no_case_is_lost_or_there_twice(abilities: str, tmp_path: Path) -> None:
    """Whatever goes wrong; what cannot be known waits for a person, and nothing else does."""
    tables = ABILITIES[abilities]
    names = [name for name in ALWAYS if name not in ("drip", "timeout")]
    faults = Faults(**dict.fromkeys(names, 0.06), timeout=0.05, drip=0.05)
    platform = platform_of(tables, faults)

    async def scenario(url: str) -> Counter[str]:
        text = making.mapping_text(*tables)
        toml = making.centre_tables(tmp_path, url, text, more="concurrency_max = 8")
        with standing(settings(tmp_path, tables=toml), Racing(10)) as collector:
            events = [raised(number, part="", device=f"meter-{number}") for number in range(24)]
            given(collector, [up(happened(1, *events), lane=Lane.EVENTS)])
            await projected(collector)
            running = asyncio.create_task(collector.platforms.run())

            def states() -> dict[str, str]:
                query = outbox.select()
                found = collector.state.read_now(lambda db: db.execute(query).all())
                return {row.case_id: row.state for row in found}

            await until(lambda: set(states().values()) <= {"done", "needs_person"})
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            kept = Counter(each["case"]["id"] for each in platform.cases.values())
            assert set(kept.values()) <= {1}
            for case_id, state in states().items():
                assert kept[case_id] == 1 if state == "done" else case_id in platform.unclear
            filed = collector.state.read_now(lambda db: db.execute(cases.select()).all())
            assert {row.id for row in filed if row.stage == "filed"} == {
                case_id for case_id, state in states().items() if state == "done"
            }
            return Counter(states().values())

    with PlatformServer(platform) as server:
        states = asyncio.run(scenario(server.url))
    assert states.total() == 24
    assert bool(states["needs_person"]) is (abilities == "neither")


def test_mappings_of_these_tests_say_what_the_platform_can() -> None:
    """Or they would test nothing."""
    able = {name: making.mapping(*tables).capabilities for name, tables in ABILITIES.items()}
    assert [(it.has_key, it.can_look_up) for it in able.values()] == [(1, 0), (0, 1), (1, 1), (0, 0)]
    assert making.mapping(KEY, CALLBACKS, POLL).capabilities.has_callbacks
    assert isinstance(making.mapping(KEY), PlatformMapping)
