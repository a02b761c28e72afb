"""What rules ask the rim to do."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.events import CommandOutcome, Event
from contract.samples import Value
from edge.settings import Ref

Ids = Callable[[], str]
"""Makes a fresh 32-digit hexadecimal id at each call."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Put this event on record and send it."""

    event: Event


@dataclass(frozen=True, slots=True)
class Switch:
    """Switch an output; with ``self_off_s`` by the device's own timer."""

    output: Ref
    on: bool
    self_off_s: float | None = None

    @property
    def value(self) -> Value:
        """What is written."""
        return self.on

    def __str__(self) -> str:
        """The output, for people."""
        return str(self.output)


@dataclass(frozen=True, slots=True)
class Write:
    """Write a value to an output that is no switch, such as a light level in percent."""

    output: Ref
    value: Value

    def __str__(self) -> str:
        """The output, for people."""
        return str(self.output)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Send nothing of what still waits for this output: somebody has locked it as it is."""

    output: Ref


@dataclass(frozen=True, slots=True)
class Answer:
    """How a manual command from the centre ended; ``value`` is what was read back."""

    command_id: str
    outcome: CommandOutcome
    reason: str
    value: Value = None


RuleEffect = Emit | Switch | Write | Withdraw | Answer
