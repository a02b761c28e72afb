"""The fault campaign of ``python -m bench.line_faults``, short: the same plans, oracle and wire."""

import pytest

from bench.faults import ptys, virtual
from bench.faults.plan import FAULTS, LINE_KINDS

TRANSACTIONS = 1_500
PTY_TRANSACTIONS = 60


@pytest.mark.parametrize("seed", [11, 12])
def test_no_fault_makes_a_wrong_value_or_spoils_another_transaction(seed: int) -> None:
    """Every kind of fault was there, and what nothing befell was answered."""
    tally = virtual.campaign(seed, TRANSACTIONS)
    assert tally.transactions == TRANSACTIONS
    assert tally.verdicts.keys() >= {*FAULTS, *LINE_KINDS}
    assert tally.faults > TRANSACTIONS / 3
    assert tally.count("wrong") == 0, tally.examples
    assert (tally.healthy_spoiled, tally.harmless_failed) == (0, 0), tally.examples


@pytest.mark.parametrize("seed", [11, 12])
def test_no_fault_of_the_line_raises_a_process_alarm(seed: int) -> None:
    """Limits, a mean, rates, deviations and single values are watched; much of what they get is bad."""
    watched = virtual.campaign(seed, 2 * TRANSACTIONS).watched
    assert watched["samples"] > TRANSACTIONS / 4
    assert watched["bad"] > watched["samples"] / 4
    assert watched["alarms"] == 0


def test_broadcasts_among_the_faults_harm_nothing() -> None:
    """Late answers, echoes and other masters in their turnaround: still no wrong value, nothing spoiled."""
    tally = virtual.campaign(105, 2 * TRANSACTIONS, broadcasts=0.3)
    assert tally.transactions == 2 * TRANSACTIONS
    assert tally.faults > 2 * TRANSACTIONS / 3
    assert tally.count("wrong") == 0, tally.examples
    assert (tally.healthy_spoiled, tally.harmless_failed) == (0, 0), tally.examples


def test_without_the_rest_for_late_answers_the_campaign_finds_wrong_values() -> None:
    """This shows that the oracle sees them, and the alarms do."""
    tally = virtual.campaign(11, 4 * TRANSACTIONS, late_answer_s=0)
    assert tally.count("wrong") > 0
    assert tally.watched["alarms"] > 0


def test_a_real_port_takes_no_wrong_value_either() -> None:
    """A few on a pty, so that the slave and its port are tried, too; values alone are judged."""
    tally = ptys.campaign(11, PTY_TRANSACTIONS)
    assert tally.transactions == PTY_TRANSACTIONS
    assert tally.verdicts["none"]["right"]
    assert tally.count("wrong") == 0, tally.examples
