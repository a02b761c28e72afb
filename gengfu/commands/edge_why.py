"""``gengfu edge state|explain``: how alarms and controls of a running gateway are, and why."""

import os
from typing import Annotated

import typer

from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings, told
from gengfu.language import language


def state(settings: Settings = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Show how all alarms and controls are, and who holds the outputs."""
    from edge.local.words import State
    from gengfu.why_words import sentences

    told(
        settings,
        State(),
        lambda answer: "\n".join(sentences(answer, language(os.environ), brief=True)),
        as_json=as_json,
    )


def explain(
    name: Annotated[str, typer.Argument(metavar="ALARM|CONTROL", help="As the settings call it.")],
    settings: Settings = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Say why an alarm or control is in its state now: what is measured, its limits, who holds it."""
    from edge.local.words import Explain
    from gengfu.why_words import sentences

    told(
        settings,
        Explain(name),
        lambda answer: "\n".join(sentences(answer, language(os.environ))),
        as_json=as_json,
    )


def add_to(app: typer.Typer) -> None:
    """Add the commands to their group."""
    app.command(short_help="How all alarms and controls are.")(state)
    app.command(short_help="Why an alarm or control is in its state.")(explain)
