"""What real rules refuse is told in Chinese to who reads Chinese; what is not known is told as it stands."""

import re
from collections.abc import Iterator

import pytest

from contract.events import Holder
from edge.by_hand import HOLD_S_MAX, Refusal
from edge.rules.engine import Engine
from gengfu.refusal_words import refusal
from tests.edge.controls.bench import FROST, OTHER, OUT, SPRAY, Bench
from tests.edge.controls.test_runs import PUMPS
from tests.edge.test_by_hand import At, Hand

DOOR = {"point": "sensor/door", "equals": True, "reason": "door open", "lasts_s": 300}


def of_rules() -> Iterator[str]:
    """Yield what controls refuse."""
    bench = Bench(SPRAY | {"inhibits": [FROST, DOOR], "shortest_rest_s": 100.0, "local_manual_s_max": 600.0})
    engine: Engine = bench.engine
    yield bench.manual(on=True)  # nothing was measured yet
    bench.step(5, value=100.0, cold=1.0, door=False)
    yield bench.manual(on=True)
    bench.step(5, cold=10.0, door=True)
    yield bench.manual(on=True)
    bench.step(5, door=False)
    yield bench.manual(on=True)
    bench.step(310)
    yield bench.manual(on=True, for_s=-1)
    yield bench.manual(on=True, for_s=601)
    yield bench.said(engine.release(OUT, Holder.LOCAL, "wang", bench.now))
    assert bench.manual(on=True) == ""
    bench.step(5)
    yield bench.manual(on=False, by=Holder.CENTRE)
    assert bench.manual(on=False, for_s=1) == ""
    bench.step(5)
    yield bench.manual(on=True)
    yield bench.said(engine.unlock(OUT, "wang", bench.now))
    assert bench.said(engine.lock(OUT, "wang (as root)", bench.now)) == ""
    yield bench.said(engine.lock(OUT, "li", bench.now))
    yield bench.manual(on=True)
    yield bench.said(engine.lock("relay/none", "li", bench.now))
    left = Bench()
    left.step(5, value=200.0)
    left.answers = False
    yield left.restarted(SPRAY | {"name": "other", "output": OTHER}).manual(on=True)


def of_names() -> Iterator[str]:
    """Yield what is refused before the rules are asked."""
    hand = At(Bench(PUMPS)).by_hand
    hand.lock(OUT, "wang")
    hand.lock(OTHER, "li")
    stopping = Hand(stopping=True).by_hand
    for ask in (
        lambda: hand.lock("relay/nowhere", "li"),
        lambda: hand.manual("pumps", "li", on=True, for_s=5),
        lambda: hand.manual("pumps", "li", on=True, for_s=HOLD_S_MAX + 1),
        lambda: hand.unlock("pumps", "li"),
        lambda: hand.lock("pumps", "li"),
        lambda: hand.explain("pump"),
        lambda: hand.maintain("sensors", "li", 5),
        lambda: hand.reset("flood", "li"),
        lambda: stopping.lock("dust-spray", "li"),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        yield str(refused.value)


def test_what_is_refused_is_told_in_chinese() -> None:
    """But for names and reasons, which are as somebody wrote them."""
    names = r"relay/\w+|sensor/\w+|sensors?|pumps?|wang|li|as root|frost|door open|flood|relay"
    found = [*of_rules(), *of_names()]
    assert all(found)
    assert len(set(found)) == len(found) > 20
    for text in found:
        assert refusal(text, "en") == text
        chinese = re.sub(names, "", refusal(text, "zh"))
        assert not re.search("[a-z]", chinese), (text, refusal(text, "zh"))


def test_what_is_not_known_stays_as_it_stands() -> None:
    """A newer gateway, or half of several reasons."""
    for text in ("the moon is in the way", "relay/out is not locked; the moon is in the way"):
        assert refusal(text, "zh") == text


def test_a_lasting_inhibit_explains_itself() -> None:
    """Nothing that is read inhibits any more, and the control is not free yet."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(5, value=200.0, door=True)
    bench.step(5, door=False)
    why = bench.engine.explain("spray", bench.now)
    assert why
    assert [fact.text for fact in why.facts if fact.kind == "lasting"] == [
        "door open: sensor/door held less than 300 s ago"
    ]
