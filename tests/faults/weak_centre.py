"""A centre that leaves something out of how it sends: the controls of ``platforms``. First argument: what."""

import sys
from typing import Any

from collector.cases.outgoing import Posting
from collector.platforms import outbox, queue
from collector.platforms.protocol import Capabilities, Perhaps
from collector.platforms.verdicts import Retry, judge
from gengfu.main import run


def _blindly(answered: Any, abilities: Capabilities, *, perhaps: bool = False) -> Any:
    """Send again whatever was not answered, as if nothing could have been taken."""
    return (
        Retry(answered.reason)
        if isinstance(answered, Perhaps)
        else judge(answered, abilities, perhaps=perhaps)
    )


def _interrupted(_abilities: Capabilities) -> Any:
    return Retry("interrupted")


_note = queue.note


def _done_first(connection: Any, row: int, **values: Any) -> None:
    """Write down that it is done before it is sent."""
    if values.get("state") == Posting.SENDING:
        values["state"] = Posting.DONE
    _note(connection, row, **values)


def weaken(how: str) -> None:
    """Leave it out."""
    if how == "sends_blindly":
        vars(outbox).update(judge=_blindly, interrupted=_interrupted)
    elif how == "done_before_sent":
        vars(queue).update(note=_done_first)
    else:
        raise SystemExit(f"no such weakness: {how}")


if __name__ == "__main__":
    weaken(sys.argv.pop(1))
    run()
