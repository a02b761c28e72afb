"""A process whose gateway's identity is at a centre that never says a word: cancelled, it is to end."""

import asyncio
import socket
import sys
from pathlib import Path
from random import Random

from contract.samples import ClockState
from edge.clock import Moment
from edge.identity import est
from edge.identity.folder import IdentityFolder
from edge.identity.renewal import Knowing, Renewing
from edge.settings import EXAMPLE, Settings
from toml_files import TomlFile

DAYS_S = 1e6


async def main(files: IdentityFolder, now_ms: int) -> None:
    """Cancel the renewing while the centre is asked; tell whether it was still asked after that."""
    est.TIMEOUT_S = DAYS_S
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        settings = TomlFile.read(EXAMPLE).parse(Settings)
        url = f"https://localhost:{listener.getsockname()[1]}"
        identity = settings.identity.model_copy(update={"centre": url})
        settings = settings.model_copy(update={"identity": identity})
        knowing = Knowing(lambda: Moment(0, now_ms, ClockState.SYNCHRONISED))
        made = Renewing(settings, files, knowing, Random(1), down_s=lambda: 0.0)
        renewing = asyncio.create_task(made.run())
        loop = asyncio.get_running_loop()
        asked, _ = await loop.sock_accept(listener)
        asked.setblocking(False)
        await loop.sock_recv(asked, 100_000)  # it says hello
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        try:
            asked.recv(1)
        except BlockingIOError:
            sys.stdout.write("left\n")


asyncio.run(main(IdentityFolder(Path(sys.argv[1])), int(sys.argv[2])))
