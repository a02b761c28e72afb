"""``gengfu edge lock|unlock|manual|release|maintenance|reset``: what a hand at the cabinet asks for."""

import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gengfu import options
from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings, told
from gengfu.language import language, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.local.words import Answer

Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="device/point, or the name of its control: all its outputs.")
]
Who = Annotated[str, typer.Option("--who", metavar="NAME", help="Who does it; your user name by default.")]

HOLD_S_MAX = 7 * options.DAY_S
_TEXTS = {
    "lock": ("{0}: locked until unlocked here", "{0} 已锁定，须在现场解锁"),
    "unlock": ("{0}: unlocked", "{0} 已解锁"),
    "manual": ("{0}: held {1} until {2}", "{0} 保持{1}，至 {2}"),
    "release": ("{0}: released", "{0} 已释放"),
    "and": (", ", "、"),
    "maintain": ("{0}: planned work until {1}", "{0}：计划检修至 {1}"),
    "maintained": ("{0}: planned work has ended", "{0}：计划检修结束"),
    "reset": ("{0} is reset", "{0} 已复位"),
    "on": ("on", "开"),
    "off": ("off", "关"),
}


def lock(
    output: Output, who: Who = "", settings: Settings = DEFAULT_SETTINGS, as_json: AsJson = False
) -> None:
    """Lock an output for maintenance: nothing switches it, not even an inhibit, until it is unlocked here.

    The lock outlives restarts, and never ends by itself.
    """
    from edge.local.words import Lock

    told(settings, Lock(output, _who(who)), _about("lock"), as_json=as_json)


def unlock(
    output: Output, who: Who = "", settings: Settings = DEFAULT_SETTINGS, as_json: AsJson = False
) -> None:
    """Unlock an output: its rules have it again."""
    from edge.local.words import Unlock

    told(settings, Unlock(output, _who(who)), _about("unlock"), as_json=as_json)


def manual(
    output: Output,
    state: Annotated[Literal["on", "off"], typer.Argument(help="What it is held at.")],
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 10min or 2h; it always ends.")
    ],
    who: Who = "",
    settings: Settings = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Hold an output on or off for a time. A lock or an inhibit that holds is stronger."""
    from edge.local.words import Manual
    from gengfu.why_words import until

    def words(answer: "Answer") -> str:
        held = _text("manual").format(_outputs(answer), _text(state), until(answer.until_ms, answer))
        return "\n".join([held, *_reads(answer)])

    told(settings, Manual(output, state == "on", _seconds(duration), _who(who)), words, as_json=as_json)


def release(
    output: Output, who: Who = "", settings: Settings = DEFAULT_SETTINGS, as_json: AsJson = False
) -> None:
    """Let go of an output that is held here: its rules have it again."""
    from edge.local.words import Release

    told(settings, Release(output, _who(who)), _about("release"), as_json=as_json)


def maintenance(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="As the settings call it.")],
    until: Annotated[
        str,
        typer.Option("--until", metavar="TIME", help="17:30, 2026-11-27T17:30, or +2h: so long from now."),
    ] = "",
    end: Annotated[bool, typer.Option("--end", help="The work is done.")] = False,
    who: Who = "",
    settings: Settings = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Mark planned work on a device: what its alarms tell meanwhile is marked, and makes no case."""
    from edge.local.words import Maintain
    from gengfu import why_words
    from gengfu.durations import until_s

    if bool(until) == end:
        options.fail(said("say either --until TIME, or --end", "--until 与 --end 请任选其一"))
    try:
        for_s = until_s(until, datetime.now().astimezone()) if until else None
    except ValueError as error:
        options.fail(f"--until: {error}")

    def words(answer: "Answer") -> str:
        if not answer.until_ms:
            return _text("maintained").format(device)
        return _text("maintain").format(device, why_words.until(answer.until_ms, answer))

    told(settings, Maintain(device, for_s, _who(who)), words, as_json=as_json)


def reset(
    alarm: Annotated[str, typer.Argument(metavar="ALARM", help="Its name, or name/device/point.")],
    who: Who = "",
    settings: Settings = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Reset a latched alarm whose cause is over."""
    from edge.local.words import Reset

    told(settings, Reset(alarm, _who(who)), lambda _: _text("reset").format(alarm), as_json=as_json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to their group."""
    app.command(short_help="Lock an output for maintenance.")(lock)
    app.command(short_help="Unlock it.")(unlock)
    app.command(short_help="Hold an output on or off for a time.")(manual)
    app.command(short_help="Let go of an output that is held here.")(release)
    app.command(short_help="Mark planned work on a device.")(maintenance)
    app.command(short_help="Reset a latched alarm.")(reset)


def _who(given: str) -> str:
    from edge.local.words import WHO_MAX

    return options.who(given, WHO_MAX)


def _seconds(duration: str) -> float:
    return options.duration_s(duration, "--for", least_s=0.001, most_s=HOLD_S_MAX)


def _about(key: str) -> "Callable[[Answer], str]":
    return lambda answer: "\n".join([_text(key).format(_outputs(answer)), *_reads(answer)])


def _reads(answer: "Answer") -> "Iterator[str]":
    """Yield what the outputs read, and who holds them now."""
    from gengfu import why_words

    for why in answer.rules:
        yield from why_words.outputs(why, answer, language(os.environ), answer.outputs)


def _outputs(answer: "Answer") -> str:
    return _text("and").join(answer.outputs)


def _text(key: str) -> str:
    return said(*_TEXTS[key])
