"""Whether a message is a command that may be executed. Pure; time, keys and memory are arguments."""

from dataclasses import dataclass

from contract import batches, commands
from contract.commands import Command, CommandRefusal
from contract.errors import ContractError
from contract.samples import ClockState
from contract.signing import KeyRing, SignatureError
from edge.clock import Moment
from edge.remote.memory import APART_MS_MAX, Entry, Memory


@dataclass(frozen=True, slots=True)
class Accepted:
    """A new command, in time."""

    command: Command
    digest: str


@dataclass(frozen=True, slots=True)
class Again:
    """A command that was taken before: it is answered again, and nothing is done."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not executed; id and digest are empty where they would name another's command."""

    refusal: CommandRefusal
    reason: str
    command_id: str = ""
    digest: str = ""


Verdict = Accepted | Again | Refused


class _Refusal(Exception):  # noqa: N818 - no error of ours: a message that is turned away
    def __init__(self, refusal: CommandRefusal, reason: str, *, to_its_centre: bool = False) -> None:
        """``to_its_centre``: the message's digest is told, which only whoever signed it makes anything of."""
        super().__init__(reason)
        self.refusal, self.to_its_centre = refusal, to_its_centre


@dataclass(frozen=True)
class Verifier:
    """What a gateway holds commands against."""

    keys: KeyRing
    district: str
    gateway: str

    def judge(self, message: bytes, name: str, memory: Memory, now: Moment) -> Verdict:
        """Say what a message is, on the topic that ends in ``name``."""
        digest, command_id = batches.digest(message), ""
        try:
            command = self.opened(message)
            self.check_place(command, name)
            command_id = command.id
            if known := memory.entries.get(command.id):
                self.check_same(known, digest)
                return Again(known)
            self.check_time(command, now)
            self.check_order(command, memory, now)
        except _Refusal as refused:
            named = command_id or refused.to_its_centre
            return Refused(refused.refusal, str(refused), command_id, digest if named else "")
        return Accepted(command, digest)

    def opened(self, message: bytes) -> Command:
        """Return the command, if a key of ours has signed it."""
        try:
            payload = self.keys.opened(message)
        except SignatureError as error:
            refusal = CommandRefusal(str(error.refusal))
            is_unknown = refusal is CommandRefusal.NO_KEY
            raise _Refusal(refusal, str(error), to_its_centre=is_unknown) from error
        try:
            return commands.decode(payload)
        except ContractError as error:
            raise _Refusal(CommandRefusal.MALFORMED, str(error), to_its_centre=True) from error

    def check_place(self, command: Command, name: str) -> None:
        """Refuse what was signed for another gateway, or came on another command's topic."""
        if (command.district, command.gateway) != (self.district, self.gateway):
            told = f"it is for gateway {command.gateway} of district {command.district}"
            raise _Refusal(CommandRefusal.WRONG_GATEWAY, told)
        if command.id != name:
            raise _Refusal(CommandRefusal.WRONG_TOPIC, f"it is {command.id} on the topic of {name[:80]}")

    def check_same(self, known: Entry, digest: str) -> None:
        """Refuse another command under an id that was used."""
        if known.begun.digest != digest:
            raise _Refusal(CommandRefusal.REPLAYED, "its id was another command's before")

    def check_time(self, command: Command, now: Moment) -> None:
        """Refuse what is late; without knowing the time, whatever nobody can say that of."""
        if command.is_over(now.wall_ms):
            over_ms = min(command.expires_ms, command.until_ms or command.expires_ms)
            told = f"it was over at {over_ms} ms, and it is {now.wall_ms} ms ({now.clock})"
            raise _Refusal(CommandRefusal.EXPIRED, told)
        if now.clock is ClockState.UNSET:
            told = (
                "the clock is not set, so nobody can tell whether this is late; see [clock] in the settings"
            )
            raise _Refusal(CommandRefusal.CLOCK_UNSET, told)
        if command.issued_ms > now.wall_ms + APART_MS_MAX:
            told = (
                f"it was issued at {command.issued_ms} ms, and here it is {now.wall_ms} ms: "
                "set the clock that is wrong"
            )
            raise _Refusal(CommandRefusal.CLOCKS_APART, told)

    def check_order(self, command: Command, memory: Memory, now: Moment) -> None:
        """Refuse what may have been executed and forgotten, and what a later command stands against."""
        if memory.is_forgotten(command):
            wait_ms = max(0, memory.since.issued_ms - now.wall_ms)
            again = f"command again in {wait_ms / 1000:.0f} s" if wait_ms else "command again"
            told = f"nobody here remembers whether it was executed before; {again}"
            raise _Refusal(CommandRefusal.REPLAYED, told)
        if memory.is_overtaken(command):
            told = f"a later command for {command.target} came before it, and stands"
            raise _Refusal(CommandRefusal.OVERTAKEN, told)
