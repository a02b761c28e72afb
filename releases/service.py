"""The gateway's service under systemd: is it at work, start it anew, have its release judged in time."""

import subprocess
import time

from releases.deciding import CONTACT_S_MAX, PROOF_S_MAX

UNIT = "gengfu-edge.service"
PROGRAM = "/usr/lib/gengfu/releases"
JUDGED_AFTER_S = PROOF_S_MAX + CONTACT_S_MAX + 60
"""From a start; longer than whoever put the release in force waits, if somebody does."""
COMMAND_S_MAX = 30.0


def is_at_work() -> bool:
    """Say whether the service runs, or is being started."""
    return _said("systemctl", "show", "--property=ActiveState", "--value", UNIT) in ("active", "activating")


def restart() -> None:
    """Start it out of the release in force now; whether it comes up, its proof tells."""
    _said("systemctl", "restart", "--no-block", UNIT)


def have_judged(release: str) -> None:
    """Have a release that runs on trial judged when its time is over, counted from now."""
    unit = f"gengfu-trial-{release}"
    _said("systemctl", "stop", f"{unit}*.timer")  # that of an earlier start
    after = f"--on-active={JUDGED_AFTER_S:.0f}"
    _said(
        "systemd-run",
        "--quiet",
        "--no-block",
        "--collect",
        f"--unit={unit}-{time.monotonic_ns()}",  # a name in use is taken by none: a judge's own service runs
        after,
        PROGRAM,
        "judge",
        release,
    )


def _said(*command: str) -> str:
    """Return what a command prints; nothing where there is no systemd: then the starts alone are counted."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
