"""Time as the gateway sees it: a moment on both clocks, taken once and handed on.

What a stamp is worth is on it. The wall clock is followed only while something vouches for it; else time
counts on by the monotonic clock, so that whoever sets the wall clock by hand changes no stamp.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from contract.limits import TIME_MS_MAX
from contract.samples import ClockState

CREDIBLE_FROM_MS = 1_767_225_600_000
"""2026-01-01: an earlier wall clock was never set (boards without a battery boot in 1970)."""

STEP_MS_MAX, HOLD_BACK_S_MAX = 500, 3600
HELD_SPEED = 10
"""Time that is held back goes so many times slower."""

LOOK_INTERVAL_NS = 1_000_000_000
"""So often at most it is asked whether the wall clock is synchronised, unless it jumps."""
JUMP_MS = 20
"""No clock that is slewed moves so far against the monotonic one between two looks (20,000 ppm)."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One moment: monotonic nanoseconds for intervals, UTC milliseconds and its worth for stamps."""

    mono_ns: int
    wall_ms: int
    clock: ClockState = ClockState.SYNCHRONISED
    era: int = 0
    """Counts how often time began anew: within one it never goes back."""

    @property
    def s(self) -> float:
        """Monotonic seconds; intervals in the rules are counted on these."""
        return self.mono_ns / 1e9


class Clock(Protocol):
    """Where moments come from."""

    def now(self) -> Moment:
        """Return this moment."""

    def s(self) -> float:
        """Return the monotonic seconds of this moment: for intervals, without what a stamp takes."""


class Step(NamedTuple):
    """Time was found to be another; where it would go back and is held, ``moment`` is holdover."""

    from_ms: int
    to_ms: int
    before: ClockState
    moment: Moment


class Timeline:
    """Stamps of one boot, made of both clocks and of whether the wall clock is synchronised. Pure.

    Before the first synchronisation time counts from the latest that is known. Within an era it never goes
    back: it is held, and marked, until the wall clock is there; only what is too far ahead goes back.
    """

    def __init__(
        self,
        last_known_ms: int = 0,
        *,
        step_ms_max: int = STEP_MS_MAX,
        hold_back_s_max: float = HOLD_BACK_S_MAX,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        """``last_known_ms`` is what a former boot stamped last; ``on_step`` gets what is more than a slew."""
        self._step_ms_max, self._hold_ms_max = step_ms_max, round(hold_back_s_max * 1000)
        self.on_step = on_step
        self.offset_ms: int | None = None
        """What was missing in this boot's times when the clock was synchronised first; None until then."""
        self._known_ms = 0
        self._from: tuple[int, int] | None = None  # both clocks when time was known last
        self._last = Moment(0, 0, ClockState.UNSET)
        self._held_ns = -1  # since when it is held back
        self.known(last_known_ms)

    def known(self, time_ms: int) -> None:
        """A former boot stamped as late as this: count on from there. Call it before anything is stamped."""
        self._known_ms = max(self._known_ms, time_ms + 1 if time_ms > 0 else 0)
        if self.offset_ms is None and self._from is not None:
            mono_ns, wall_ms = self._from
            self._from = mono_ns, max(wall_ms, self._known_ms)

    def observe(self, mono_ns: int, wall_ms: int, *, synchronised: bool) -> Moment:
        """Return the moment that both clocks tell; ``mono_ns`` never goes back."""
        if not 0 <= wall_ms <= TIME_MS_MAX:
            wall_ms = min(max(wall_ms, 0), TIME_MS_MAX)
        if self._from is None:
            credible_ms = wall_ms if wall_ms >= CREDIBLE_FROM_MS else 0
            self._from = mono_ns, max(self._known_ms, credible_ms)
        from_ns, from_ms = self._from
        counted_ms = from_ms + (mono_ns - from_ns) // 1_000_000
        if synchronised:
            self._from = mono_ns, wall_ms
            if self.offset_ms is None:
                return self._first(mono_ns, counted_ms, wall_ms)
            last = self._last
            if last.wall_ms <= wall_ms and -self._step_ms_max <= wall_ms - counted_ms <= self._step_ms_max:
                self._held_ns = -1  # nothing has happened, as nearly always
                self._last = moment = Moment(mono_ns, wall_ms, ClockState.SYNCHRONISED, last.era)
                return moment
            return self._told(mono_ns, counted_ms, wall_ms, ClockState.SYNCHRONISED)
        state = ClockState.UNSET if self.offset_ms is None else ClockState.HOLDOVER
        return self._told(mono_ns, counted_ms, counted_ms, state)

    def _first(self, mono_ns: int, counted_ms: int, wall_ms: int) -> Moment:
        self.offset_ms = wall_ms - counted_ms
        moment = Moment(mono_ns, wall_ms, ClockState.SYNCHRONISED, self._last.era + 1)
        step = Step(counted_ms, wall_ms, ClockState.UNSET, moment)
        self._last = moment
        if abs(self.offset_ms) > self._step_ms_max:
            self.on_step(step)
        return moment

    def _told(self, mono_ns: int, counted_ms: int, time_ms: int, state: ClockState) -> Moment:
        """Return the moment of a time that may lie before the last one."""
        last, steps_ms = self._last, time_ms - counted_ms
        if time_ms >= last.wall_ms:
            self._held_ns = -1
            moment = Moment(mono_ns, time_ms, state, last.era)
        elif last.wall_ms - time_ms > self._hold_ms_max:
            self._held_ns = -1
            moment = Moment(mono_ns, time_ms, state, last.era + 1)
            steps_ms = time_ms - last.wall_ms
        else:
            if self._held_ns < 0:
                self._held_ns = last.mono_ns
            slowly_ms = (mono_ns - self._held_ns) // (HELD_SPEED * 1_000_000)
            self._held_ns += slowly_ms * HELD_SPEED * 1_000_000
            moment = Moment(mono_ns, last.wall_ms + slowly_ms, ClockState.HOLDOVER, last.era)
        self._last = moment
        if abs(steps_ms) > self._step_ms_max:
            self.on_step(Step(time_ms - steps_ms, time_ms, last.clock, moment))
        return moment


def wall_is_credible() -> bool:
    """Say whether the wall clock tells a possible year; enough where the kernel does not know its keeper."""
    return time.time_ns() >= CREDIBLE_FROM_MS * 1_000_000


class SystemClock:
    """The machine's own clocks. Call it on one thread."""

    def __init__(
        self,
        timeline: Timeline | None = None,
        synchronised: Callable[[], bool] = wall_is_credible,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """``synchronised`` says whether the wall clock is right; it is asked no more often than needed."""
        self.timeline = timeline or Timeline()
        self._ask, self._mono_ns, self._wall_ns = synchronised, mono_ns, wall_ns
        self._synchronised = False
        self._look_ns = 0
        self._between_ms = 0
        self.latest = Moment(0, 0, ClockState.UNSET)
        """The last moment that was taken, for other threads."""

    def now(self) -> Moment:
        """Return this moment; the wall clock is looked into where it has jumped."""
        mono_ns = self._mono_ns()
        wall_ms = self._wall_ns() // 1_000_000
        jumped_ms = wall_ms - mono_ns // 1_000_000 - self._between_ms
        if mono_ns >= self._look_ns or not -JUMP_MS <= jumped_ms <= JUMP_MS:
            self._look_ns = mono_ns + LOOK_INTERVAL_NS
            self._between_ms += jumped_ms
            self._synchronised = self._ask()
        self.latest = moment = self.timeline.observe(mono_ns, wall_ms, synchronised=self._synchronised)
        return moment

    def s(self) -> float:
        """See Clock.s."""
        return self._mono_ns() / 1e9
