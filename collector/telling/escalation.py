"""How telling climbs from step to step until somebody acknowledges. Pure."""

from dataclasses import dataclass, replace

from collector.telling.facts import Told


@dataclass(frozen=True, slots=True)
class Ladder:
    """So many steps, the next so long after the one before; the last is repeated so often."""

    steps: int
    after_ms: int
    repeats_max: int


def climbed(told: Told, ladder: Ladder, now_ms: int, *, escalating: bool) -> tuple[Told, int | None]:
    """Return where the subject stands now, and when it climbs again: one step at a time, however late it is.

    The first step is always reached; it climbs on while ``escalating``.
    """
    if told.step < 0:
        told = replace(told, step=0, step_ms=now_ms)
    elif escalating and now_ms >= told.step_ms + ladder.after_ms:
        if told.step + 1 < ladder.steps:
            told = replace(told, step=told.step + 1, step_ms=now_ms)
        elif told.repeats < ladder.repeats_max:
            told = replace(told, repeats=told.repeats + 1, step_ms=now_ms)
    at_end = told.step + 1 >= ladder.steps and told.repeats >= ladder.repeats_max
    return told, None if at_end or not escalating else told.step_ms + ladder.after_ms
