"""The ``gengfu`` command: groups of commands, and how their errors reach people."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from contract.errors import ContractError
from toml_files import TomlFileError

app = typer.Typer(
    name="gengfu",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gengfu {version('gengfu')}")
        raise typer.Exit


@app.callback()
def gengfu(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Street-cabinet gateways and their centre for smart city management."""


GROUPS = (
    "edge",
    "collector",
    "alarms",
    "incidents",
    "cases",
    "evaluation",
    "exchange",
    "parts",
    "grids",
    "platforms",
    "command",
    "gateways",
    "configuration",
    "lamps",
    "messages",
    "on_call",
    "periods",
    "profiles",
    "relay",
    "sim",
    "tokens",
    "audit",
)
"""Modules of ``gengfu.commands``, in the order in which the help lists them."""


def _add_groups() -> None:
    """Each room's commands stand in a module of its own; one without its extra still lists the others."""
    from gengfu.commands import collector, demo, users

    app.command("demo", short_help="A city block on this machine, audited at the end.")(demo.demo)
    collector.app.add_typer(users.app, name="users")
    for name in GROUPS:
        app.add_typer(import_module(f"gengfu.commands.{name}").app, name=name.replace("_", "-"))


def run() -> None:
    """Run the command line; a mistake in a file ends with 1 and one line a mistake on standard error."""
    _add_groups()
    try:
        app()
    except (TomlFileError, ContractError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(str(error))
        sys.exit(1)


if __name__ == "__main__":
    run()
