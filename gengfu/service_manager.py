"""What a service tells the manager that started it (systemd, by sd_notify), and the watchdog's food.

Where no manager asks, by NOTIFY_SOCKET and WATCHDOG_USEC, nothing is told. A manager that cannot be reached
costs the service nothing.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, MutableMapping, Sequence

_log = logging.getLogger(__name__)

FEEDINGS_PER_LIMIT = 4
"""The watchdog is fed so many times within its limit: one that comes late does no harm."""
FEEDING_S_MAX = 10.0


class ServiceManager:
    """One end of the manager's socket."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """``address`` is a path, or a name of the abstract kind that begins with @; empty: nobody asks."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        """After so long without food the service is ended and started again; None: it is not watched."""

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str], process_id: int) -> "ServiceManager":
        """Take the variables out of an environment, so that no child speaks for this process."""
        address = environment.pop("NOTIFY_SOCKET", "")
        limit, for_process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        is_watched = limit.isdecimal() and int(limit) > 0 and for_process in ("", str(process_id))
        return cls(address, int(limit) / 1e6 if is_watched else None)

    def ready(self) -> None:
        """Tell that the service is at work."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """Tell that the service ends because it was asked to."""
        self._tell("STOPPING=1")

    def says(self, status: str) -> None:
        """Tell people, in one line, how the service is doing."""
        self._tell(f"STATUS={status.splitlines()[0] if status else ''}")

    async def watch(self, stuck: Callable[[], Sequence[str]]) -> None:
        """Feed the watchdog until cancelled, as long as nothing is stuck; return at once where nobody asks.

        A blocked event loop feeds nothing either, because this runs on it.
        """
        if self.watchdog_s is None:
            return
        hanging: Sequence[str] = []
        while True:
            before, hanging = hanging, stuck()
            if not hanging:
                self._tell("WATCHDOG=1")
            if hanging != before:
                self._tell_change(hanging)
            await asyncio.sleep(min(self.watchdog_s / FEEDINGS_PER_LIMIT, FEEDING_S_MAX))

    def _tell_change(self, hanging: Sequence[str]) -> None:
        if hanging:
            told = f"no progress: {', '.join(hanging)}"
            _log.error("%s; the watchdog is not fed, so this service is going to be started again", told)
            self.says(told)
        else:
            _log.warning("everything goes on again")
            self.says("")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            link.sendto(state.encode(), self._address)


def service_manager() -> ServiceManager:
    """Return this process's manager, once: its variables are gone afterwards."""
    return ServiceManager.of_environment(os.environ, os.getpid())
