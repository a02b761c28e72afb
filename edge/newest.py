"""The last order for each output: one that has waited is not sent when another has come since, or a lock.

Whoever has an order that waits, for its record on disk or in a line's queue, asks right before it is sent.
"""

from edge.rules.effects import Switch, Write
from edge.settings import Ref


class Newest:
    """What was ordered last of each output."""

    def __init__(self) -> None:
        """Nothing was."""
        self._of: dict[Ref, Switch | Write] = {}

    def take(self, order: Switch | Write) -> None:
        """Take note of an order; those before it stand no more."""
        self._of[order.output] = order

    def withdraw(self, output: Ref) -> None:
        """Let nothing stand of what still waits for this output."""
        self._of.pop(output, None)

    def stands(self, order: Switch | Write) -> bool:
        """Say whether an order that has waited may still be sent."""
        return self._of.get(order.output) is order
