"""Who follows documents: rules take conditions as their event periods, lamps all; others keep them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from contract.desired import DesiredKind
from edge.following import Following
from tests.edge.test_by_hand import SETTINGS

CONDITIONS = DesiredKind.LAMP_CONDITIONS
BODY = json.dumps(
    {
        "conditions": [
            {"condition": "flood-watch", "from_ms": 5, "until_ms": 9},
            {"condition": "of-no-rule", "from_ms": 1, "until_ms": 6},
            {"condition": "flood-watch", "from_ms": 20, "until_ms": 30},
            {"condition": "flood-watch", "from_ms": 1, "until_ms": 4},
        ]
    }
)


def following(settings: Any) -> tuple[Following, list[Mapping[str, tuple[int, int]]]]:
    """Return it, and what it sets; without lamps it asks no gateway."""
    told: list[Mapping[str, tuple[int, int]]] = []
    return Following(settings, None, told.append, lambda: 4), told  # type: ignore[arg-type]


def test_rules_are_told_their_periods_and_that_there_are_none_any_more() -> None:
    """Names that no rule knows are no mistake; of several times of one name, the first not over counts."""
    rules, told = following(SETTINGS)
    assert rules.problems(CONDITIONS, BODY) == []
    assert rules.in_force(CONDITIONS, BODY) == []
    assert rules.in_force(CONDITIONS, None) == []
    assert told == [{"flood-watch": (5, 9), "of-no-rule": (1, 6)}, {}]
    assert rules.in_force(DesiredKind.LAMP_PLAN, "{}") == []
    assert len(told) == 2


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"conditions": [{"condition": "x", "from_ms": 2, "until_ms": 1}]}']
)
def test_conditions_that_cannot_be_are_refused_where_rules_follow_them(body: str) -> None:
    """With what is wrong."""
    rules, _ = following(SETTINGS)
    assert rules.problems(CONDITIONS, body)


def test_a_gateway_that_has_neither_keeps_documents_and_does_nothing() -> None:
    """Whatever object they are."""
    nobody, told = following(SETTINGS.model_copy(update={"alarms": [], "controls": []}))
    assert nobody.problems(CONDITIONS, '{"good": 1}') == []
    assert nobody.in_force(CONDITIONS, '{"good": 1}') == []
    assert told == []
