"""What an output is in the middle of: a run, somebody's hand on it, a lock; to be kept over a restart."""

from dataclasses import dataclass
from typing import Any

from contract.events import Holder
from edge.clock import Moment


@dataclass(slots=True)
class Run:
    """An output that is to be on, from when to when: one run, however often it is renewed or tried again."""

    cause: str
    since_s: float
    since_ms: int
    holder: Holder = Holder.RULE
    who: str = ""
    renew_at_s: float = float("-inf")
    """When it is commanded again; what is taken over as found on is not commanded at all."""
    value_at_start: float | None = None
    """Of the start condition."""
    proving_at_start: float | None = None
    judged: bool = False
    found: bool = False
    """Whether it was on already when this process first read it, and nobody knew why."""


@dataclass(slots=True)
class Manual:
    """Somebody's word that the output be on or off, until then at most."""

    on: bool
    until_s: float
    until_ms: int
    source: Holder
    who: str
    command_id: str
    """Of the centre's command; empty for somebody at the cabinet."""
    cause: str
    """The id under which it is on record."""
    before: bool | None
    """What the output was before."""
    read_count: int
    """How often it had been read when it was commanded."""
    proof_until_s: float
    answered: bool = False

    def kept(self) -> list[Any]:
        """Return what must survive a restart, as plain JSON."""
        return [self.on, self.until_ms, self.source.value, self.who, self.command_id, self.cause, self.before]


@dataclass(frozen=True, slots=True)
class Released:
    """The centre's command to let go, which waits for what the output reads then."""

    command_id: str
    read_count: int
    """How often it had been read when it was let go of."""
    proof_s: float
    proof_until_s: float


@dataclass(frozen=True, slots=True)
class Lock:
    """Locked for maintenance by somebody at the cabinet."""

    who: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Former:
    """The run that a former process of this gateway was in the middle of."""

    cause: str
    since_ms: int
    holder: Holder
    who: str
    fail_state: str = "off"
    """Under which it was begun: that declaration counts for it."""
    counted: bool = False
    """Whether a process that did not begin it has counted it in the day's running time."""

    @classmethod
    def of(cls, kept: list[Any], fail_state: str = "off") -> "Former":
        """Take up what ``kept`` gave; of an older version, which kept no fail state with it, that one."""
        cause, since_ms, holder, who, *more = kept
        known = (str(more[0]), bool(more[1])) if more else (fail_state, False)
        return cls(str(cause), int(since_ms), Holder(holder), str(who), *known)

    def kept(self) -> list[Any]:
        """Return what must survive a restart, as plain JSON."""
        return [self.cause, self.since_ms, self.holder.value, self.who, self.fail_state, self.counted]

    def since_s(self, now: Moment) -> float:
        """Return when it began by this process's monotonic clock; a wall clock gone back counts nothing."""
        return now.s - max(0, now.wall_ms - self.since_ms) / 1000
