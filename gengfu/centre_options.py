"""Options that every command has which asks the centre: where it is, who asks, what of it, in which form."""

from datetime import datetime
from typing import Annotated

import typer

Url = Annotated[
    str, typer.Option("--url", metavar="URL", envvar="GENGFU_URL", help="The centre's interface.")
]
Who = Annotated[
    str, typer.Option("--who", metavar="NAME", help="Who asks for it; your user name by default.")
]
Moment = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        metavar="YYYY-MM-DDTHH:MM",
        formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help="Not before this time of your machine's zone; now where nothing is said.",
    ),
]
Count = Annotated[int, typer.Option("--count", metavar="N", min=1, max=1_000, help="How many.")]
Version = Annotated[
    int | None,
    typer.Option("--version", metavar="N", help="Only if it stands as `show` told; else as it stands now."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DEFAULT_URL = "http://127.0.0.1:8780"


def epoch_ms(moment: datetime | None) -> int | None:
    """Return a time as the centre takes it."""
    return None if moment is None else round(moment.astimezone().timestamp() * 1000)
