"""A part of ``tests.faults.enrolment``: tables are put back, and do not know what was issued since.

With the commands that an operator has, a real broker that runs all the time, and curl and openssl.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.broker_access import Node
from tests.faults.est_stranger import Stranger
from tests.faults.secure_site import Identity, SecureSite

TIMEOUT_S = 120
KEPT, NEW, HONEST = "kept", "new", "honest"
"""One that the backup knows, and two that were enrolled after it."""

Must = Callable[[bool, str], None]


def takes(site: SecureSite, identity: Identity, name: str) -> bool:
    """Say whether the broker takes somebody."""
    try:
        node = Node(site, identity, name, patience_s=5)
    except (OSError, ConnectionError):
        return False
    node.end()
    return True


def put_back(site: SecureSite, stranger: Stranger, folder: Path) -> dict[str, Identity]:
    """Issue, back up, issue more, put the backup back; return what was issued after it. Both run."""
    first, copy = stranger.enrolled(KEPT), folder / "backup"
    _collector(site, "backup", str(copy))
    key = stranger.key()
    renewed = stranger.renew(first, stranger.request(key, KEPT))
    later = {
        KEPT: stranger.identity(renewed, key),
        NEW: stranger.enrolled(NEW),
        HONEST: stranger.enrolled(HONEST),
    }
    site.centre.end()
    _collector(site, "restore", str(copy), "--replace")
    site.start_centre({})
    return later


def revoked_after(
    site: SecureSite, stranger: Stranger, later: dict[str, Identity], must: Must, limit_s: float
) -> float:
    """Revoke what the tables forgot; return the seconds until the last session was cut."""
    took_s = 0.0
    for name in (KEPT, NEW):
        identity = later[name]
        must(takes(site, identity, name), f"{name} is taken after the backup was put back")
        node = Node(site, identity, name)
        began_s = time.monotonic()
        told = site.asked("POST", f"/gateways/{name}/revocation", {"reason": "stolen"})
        lost = node.until(lambda node=node: node.losses > 0, limit_s)  # type: ignore[misc]
        took_s = max(took_s, time.monotonic() - began_s)
        node.end()
        must(lost and not told["problem"], f"{name}, which the tables forgot, is cut: {told}")
        must(not takes(site, identity, name), f"{name}, which the tables forgot, comes back to the broker")
        answered = stranger.renew(identity, stranger.request(identity.key, name))
        must(answered.status == 403, f"{name}, which the tables forgot, renews: {answered.status}")
    must(takes(site, stranger.enrolled(KEPT), KEPT), "a new code gives an identity after that")
    return took_s


def honest(site: SecureSite, stranger: Stranger, later: dict[str, Identity], must: Must) -> None:
    """Who is not revoked goes on, and is in the tables again."""
    held = later[HONEST]
    answered = stranger.renew(held, stranger.request(held.key, HONEST))
    must(answered.status == 200, f"an honest gateway that the tables forgot renews: {answered.status}")
    must(takes(site, stranger.identity(answered, held.key), HONEST), "the broker takes what it renewed")
    rows = site.asked("GET", f"/certificates?gateway={HONEST}")["items"]
    origins = [row["origin"] for row in rows]
    must(origins == ["renewal", "unknown"], f"it is told as what it is: {origins}")


def _collector(site: SecureSite, *arguments: str) -> None:
    """Run a command as an operator does."""
    command = [sys.executable, "-m", "gengfu.main", "collector", *arguments, "--settings", str(site.settings)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
