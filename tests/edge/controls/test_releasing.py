"""A release of the centre's is answered with what the output reads then, as a switch is."""

from contract.events import CommandOutcome, Holder
from tests.edge.controls.bench import CONTACTOR, OUT, SPRAY, Bench

SWITCH, RELEASE, SECOND = "c" * 32, "e" * 32, "f" * 32
HOLDS = SPRAY | CONTACTOR | {"fail_state": "hold"}


def released(bench: Bench, command: str = RELEASE) -> str:
    """Let the centre let go."""
    return bench.said(bench.engine.release(OUT, Holder.CENTRE, "centre/li", bench.now, command))


def held_on(bench: Bench) -> Bench:
    """Let the centre hold it on, proved."""
    bench.step()
    assert not bench.manual(on=True, for_s=300, by=Holder.CENTRE, command=SWITCH)
    bench.step(3)
    assert [each.outcome for each in bench.told] == [CommandOutcome.DONE]
    bench.told.clear()
    return bench


def test_a_release_is_done_when_the_output_reads_as_it_is_to_be() -> None:
    """Not before; then it is told once, with what was read."""
    bench = held_on(Bench())
    bench.answers = False
    assert not released(bench)
    bench.step(1)
    assert bench.told == []
    bench.answers = True
    bench.step(10)
    [told] = bench.told
    assert (told.command_id, told.outcome, told.value) == (RELEASE, CommandOutcome.DONE, False)
    assert not bench.on()


def test_an_output_that_stays_on_has_not_been_released() -> None:
    """A relay that sticks: whoever let go hears it."""
    bench = held_on(Bench())
    bench.relays[next(iter(bench.relays))].take = lambda *_: None  # type: ignore[method-assign]
    assert not released(bench)
    bench.step(20)
    [told] = bench.told
    assert (told.command_id, told.outcome, told.value) == (RELEASE, CommandOutcome.FAILED, True)
    assert "does not read back" in told.reason


def test_an_output_that_nobody_can_read_has_not_been_released() -> None:
    """Its line is down."""
    bench = held_on(Bench())
    bench.answers = False
    released(bench)
    bench.step(20)
    [told] = bench.told
    assert (told.outcome, told.value) == (CommandOutcome.FAILED, None)


def test_a_release_that_leaves_the_output_to_its_rules_is_done_with_what_they_want() -> None:
    """It goes on where they want it on."""
    bench = held_on(Bench(HOLDS))
    bench.step(3, value=200.0)
    assert not released(bench)
    bench.step(5)
    [told] = bench.told
    assert (told.outcome, told.value, bench.on()) == (CommandOutcome.DONE, True, True)


def test_whoever_takes_the_output_before_it_was_read_back_ends_the_release() -> None:
    """It is told as that; what comes then is answered for itself."""
    bench = held_on(Bench(HOLDS))
    bench.answers = False
    released(bench)
    assert not bench.manual(on=False, for_s=300, by=Holder.CENTRE, command="a" * 32)
    released(bench, SECOND)
    bench.step(20)
    outcomes = {each.command_id: each.outcome for each in bench.told}
    assert outcomes[RELEASE] == outcomes[SECOND] == CommandOutcome.FAILED
    assert len(bench.told) == 3
