"""What options say, looked at before anybody is asked: a mistake is told by its option, in both languages."""

import getpass
import os
import re
from typing import NoReturn

import typer

from contract.names import NO_CONTROLS_PATTERN
from gengfu.durations import seconds
from gengfu.language import said

DAY_S = 86_400.0
_UNITS = ((DAY_S, "d", "天"), (3600.0, "h", "小时"), (60.0, "min", "分钟"), (1.0, "s", "秒"))


def fail(text: str) -> NoReturn:
    """Say it on standard error and exit 1."""
    typer.echo(text, err=True)
    raise typer.Exit(1)


def who(given: str, characters_max: int = 100) -> str:
    """Return who asks: what ``--who`` says, else the user's name as the system knows it, or the number."""
    if not given:
        try:
            return getpass.getuser()[:characters_max]
        except (KeyError, OSError):
            return f"uid {os.getuid()}"
    if not re.match(NO_CONTROLS_PATTERN, given):
        fail(said("--who: a name has no control characters", "--who：姓名不得含控制字符"))
    if len(given) > characters_max:
        fail(
            said(
                f"--who: a name has {characters_max} characters at most",
                f"--who：姓名最长 {characters_max} 个字符",
            )
        )
    return given


def duration_s(text: str, option: str, *, least_s: float = 0.0, most_s: float | None = None) -> float:
    """Return what an option says, in seconds; ``least_s`` above 0 refuses nothing at all as well."""
    try:
        found = seconds(text)
    except ValueError as error:
        fail(f"{option}: {error}")
    if least_s and not found:
        fail(said(f"{option}: give more than nothing", f"{option}：应大于 0"))
    if found < least_s:
        least = _brief(least_s)
        fail(
            said(
                f"{option}: {text} is too short; {least[0]} at least",
                f"{option}：{text} 太短，至少 {least[1]}",
            )
        )
    if most_s is not None and found > most_s:
        most = _brief(most_s)
        fail(
            said(f"{option}: {text} is too long; {most[0]} at most", f"{option}：{text} 太长，最长 {most[1]}")
        )
    return found


def _brief(duration_s: float) -> tuple[str, str]:
    """Return a duration in its largest unit, in English and Chinese."""
    unit_s, english, chinese = next(each for each in _UNITS if duration_s >= each[0] or each[0] == 1.0)
    return f"{duration_s / unit_s:g} {english}", f"{duration_s / unit_s:g} {chinese}"
