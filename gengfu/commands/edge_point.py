"""``gengfu edge read|write``: one point of a device, now, through the running gateway."""

import os
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gengfu import options
from gengfu.commands.edge_hand import Who
from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings, streamed
from gengfu.language import language, said
from gengfu.refusal_words import refusal
from gengfu.terminal import print_json

if TYPE_CHECKING:
    from contract.samples import Quality, Value
    from edge.local.words import OfPoints, PointTold, WriteTold

T = TypeVar("T")

Point = Annotated[str, typer.Argument(metavar="DEVICE/POINT", help="As the settings and the profile say.")]

_SWITCHED = {"on": True, "true": True, "开": True, "off": False, "false": False, "关": False}
_TEXTS = {
    "read": ("{0}: {1}", "{0}：{1}"),
    "nothing": ("no value", "无值"),
    "answered": (
        "answered in {0:.0f} ms, {1:.2f} s with its turn on the line",
        "应答 {0:.0f} 毫秒，含排队共 {1:.2f} 秒",
    ),
    "silent": ("no answer within {0:.2f} s", "{0:.2f} 秒内无应答"),
    "done": ("{0}: {1} written, reads back {2}; it was {3}", "{0}：已写入 {1}，读回 {2}；原为 {3}"),
    "failed": (
        "{0}: {1} does not stand ({4}); it reads {2} now, and was {3}",
        "{0}：写入 {1} 未成立（{4}）；现读 {2}，原为 {3}",
    ),
    "recorded": ("on record", "已记录在案"),
    "late": (
        "its record is not on disk yet: the disk refuses, or is slow",
        "记录尚未落盘：磁盘拒绝或过慢",
    ),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "good": ("good", "良好"),
    "uncertain": ("uncertain", "存疑"),
    "stale": ("stale", "陈旧"),
    "unpowered": ("unpowered", "断电"),
    "bad": ("bad", "无效"),
}  # fmt: skip


def read(point: Point, settings: Settings = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Read a point now: the device is asked, between two of the gateway's own questions. Changes nothing.

    Any point of the device's profile, polled or not. Exits 1 where no value comes.
    """
    from edge.local.words import PointTold, ReadPoint

    told = _told(settings, ReadPoint(point), PointTold, as_json=as_json)
    if not as_json:
        for row in read_rows(told):
            typer.echo(row)
    if told.value is None:
        raise typer.Exit(1)


def write(
    point: Point,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A number, on or off.")],
    who: Who = "",
    settings: Settings = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Write a point and read it back; the centre is told who wrote what. Exits 1 where it does not stand.

    Only what the profile calls writable, within its range, and what no control and no lamp has: for outputs
    there are `manual` and `lock`. Write negative numbers behind --.
    """
    from edge.local.words import WHO_MAX, WriteTold, WritePoint  # isort: skip

    wanted = WritePoint(point, _value(value), options.who(who, WHO_MAX))
    told = _told(settings, wanted, WriteTold, as_json=as_json)
    if not as_json:
        for row in write_rows(told):
            typer.echo(row)
    if told.outcome != "done":
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Add the commands to their group."""
    app.command(short_help="Read a point of a device now.")(read)
    app.command(short_help="Write a point of a device, and read it back.")(write)


def read_rows(told: "PointTold") -> list[str]:
    """Return what a reading says, line by line."""
    name = f"{told.device}/{told.point}"
    quality = _text(str(told.quality)) + (f" ({told.error})" if told.error else "")
    rows = [_text("read").format(name, f"{value_text(told.value, told.unit)}, {quality}")]
    if told.answer_s is None:
        rows.append("  " + _text("silent").format(told.took_s))
    else:
        rows.append("  " + _text("answered").format(1000 * told.answer_s, told.took_s))
    rows += [f"  {each.table} {each.address}: {each.word} (0x{each.word:04X})" for each in told.registers]
    return rows


def write_rows(told: "WriteTold") -> list[str]:
    """Return what became of a writing, line by line."""
    values = [value_text(each, told.unit) for each in (told.value, told.read_back, told.former)]
    row = _text(str(told.outcome)).format(f"{told.device}/{told.point}", *values, told.error)
    return [row, "  " + _text("recorded" if told.recorded else "late")]


def value_text(value: "Value", unit: str) -> str:
    """Return a value with its unit, as people read it."""
    if value is None:
        return _text("nothing")
    if isinstance(value, bool):
        return _text("on" if value else "off")
    number = f"{value:g}" if isinstance(value, float) and abs(value) < 1e5 else str(value)
    return number if unit == "1" else f"{number} {unit}"


def quality_text(quality: "Quality | str") -> str:
    """Return a quality in the language of this terminal."""
    return _text(str(quality))


def _told(settings: Settings, request: "OfPoints", wanted: type[T], *, as_json: bool) -> T:
    import msgspec

    from edge.local.words import Refused

    for news in streamed(settings, request):
        if isinstance(news, wanted):
            if as_json:
                print_json(msgspec.to_builtins(news))
            return news
        if isinstance(news, Refused):
            if as_json:
                print_json({"refused": news.text})
                raise typer.Exit(1)
            options.fail(refusal(news.text, language(os.environ)))
    return options.fail(said("the gateway ended before it answered", "网关在应答前已结束"))


def _value(text: str) -> bool | float:
    if (switched := _SWITCHED.get(text.lower())) is not None:
        return switched
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number - number != 0:  # neither infinite nor no number
        options.fail(
            said(f"{text!r} is no value; write a number, on or off", f"“{text}”不是值；请写数字、on 或 off")
        )
    return number


def _text(key: str) -> str:
    return said(*_TEXTS[key])
