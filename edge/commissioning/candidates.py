"""What a device may be: every profile, as documented and as each shim makes it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from device_profiles.codec import addresses
from device_profiles.schema import BIT_TABLES, Profile, Signature, Table
from firmware_shims.base import Shim, ShimError
from firmware_shims.catalogue import SHIMS

RUN_WORDS_MAX = 64
RUN_BITS_MAX = 64


class Run(NamedTuple):
    """Neighbouring registers or bits, read in one request."""

    table: Table
    address: int
    size: int

    @property
    def beyond(self) -> "Run":
        """The same and one more: whoever refuses that ends here."""
        return self._replace(size=self.size + 1)


@dataclass(frozen=True)
class Candidate:
    """A profile, with the shims that were applied to it."""

    profile: Profile
    shims: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Profile and shims in one word."""
        return "+".join((self.profile.id, *self.shims))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The registers of all points, without holes: a documented hole may be refused."""
        tables: dict[Table, set[int]] = {}
        for point in self.profile.points:
            tables.setdefault(point.table, set()).update(addresses(point))
        return tuple(run for table, known in sorted(tables.items()) for run in _runs(table, known))

    @property
    def signatures(self) -> Sequence[Signature]:
        """What tells what it is, if its document says so."""
        return self.profile.identification.registers if self.profile.identification else ()

    @cached_property
    def map_key(self) -> tuple[object, ...]:
        """What the bytes can tell of it: candidates with the same key are twins."""
        points = tuple(
            point.model_dump_json(exclude={"name", "title", "unit", "writable"})
            for point in self.profile.points
        )
        return (self.profile.id, points)


def candidates(profiles: Mapping[str, Profile], shims: Iterable[Shim] = SHIMS) -> list[Candidate]:
    """Return the plain profiles, and those that one shim changes in a way that shows in the bytes."""
    plain = [Candidate(profile) for profile in profiles.values()]
    known = {candidate.map_key for candidate in plain}
    shimmed = []
    for shim in shims:
        if shim.profile not in profiles:
            continue
        try:
            changed = Candidate(shim.apply(profiles[shim.profile]), (shim.id,))
        except ShimError:
            continue  # a city's own profile of that id is another
        if changed.map_key not in known:
            known.add(changed.map_key)
            shimmed.append(changed)
    return plain + shimmed


def questions(known: Iterable[Candidate]) -> list[Run]:
    """Return what to read, each once: signatures, every run of every candidate, and where it should end."""
    asked: dict[Run, None] = {}
    known = list(known)
    for candidate in known:
        for each in candidate.signatures:
            asked[Run(each.table, each.address, each.words)] = None
    for candidate in known:
        for run in candidate.runs:
            asked[run] = None
    for candidate in known:
        for run in candidate.runs:
            asked[run.beyond] = None
    return list(asked)


def _runs(table: Table, known: set[int]) -> Iterable[Run]:
    most = RUN_BITS_MAX if table in BIT_TABLES else RUN_WORDS_MAX
    start = before = None
    for address in sorted(known):
        if start is None or before is None or address != before + 1 or address - start >= most:
            if start is not None and before is not None:
                yield Run(table, start, before - start + 1)
            start = address
        before = address
    if start is not None and before is not None:
        yield Run(table, start, before - start + 1)
