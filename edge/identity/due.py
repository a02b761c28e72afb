"""When a certificate is renewed. Pure."""

from dataclasses import dataclass

from edge.identity.trust import Known, Validity


@dataclass(frozen=True)
class Rule:
    """At which share of its life, and how long a link may be down while no time is known."""

    share: float
    unset_wait_s: float


def due_ms(validity: Validity, share: float, jitter: float) -> int:
    """Return when a certificate is to be renewed; ``jitter`` of 0 to 1 spreads it over a tenth of its life.

    Gateways that were enrolled together do not come together.
    """
    life_ms = validity.not_after_ms - validity.not_before_ms
    return validity.not_before_ms + round(life_ms * (share + jitter * min(0.1, 1 - share)))


def is_due(validity: Validity, known: Known, rule: Rule, jitter: float, *, down_s: float) -> bool:
    """Say whether to renew now; ``down_s`` is how long the link has been down, 0 where it is up.

    Where no time is known the certificate may be over without anybody here knowing: a link that stays down is
    reason enough to ask.
    """
    if known.time_ms >= due_ms(validity, rule.share, jitter):
        return True
    return not known.is_set and down_s >= rule.unset_wait_s
