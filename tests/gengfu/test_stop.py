"""What ends a simulator: signals, however many, and threads."""

import subprocess
import sys

INTERRUPTED = """
import signal, sys
from gengfu.stop import Stop

stop, interrupting, interruptions = Stop(), False, 0

def interrupt(frame, event, argument):
    # What a second signal would do, at each line that Python runs for the first one.
    global interrupting, interruptions
    if not interrupting:
        interrupting, interruptions = True, interruptions + 1
        signal.raise_signal(signal.SIGTERM)
        interrupting = False
    return interrupt

sys.settrace(interrupt)
stop.set()
told = stop.wait()
sys.settrace(None)
print(told, interruptions > 3)
"""


def run(program: str) -> str:
    """Run a program of a few lines; return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30
    ).stdout


def test_a_signal_may_interrupt_another_at_any_point_and_it_still_ends() -> None:
    """With an event in its place the second signal would wait for the first one's lock, for ever."""
    assert run(INTERRUPTED) == "True True\n"


def test_a_thread_may_tell_it_and_it_stays_told() -> None:
    """Whoever asks again hears the same; before that, time runs out."""
    told = run(
        "from gengfu.stop import Stop; import threading; stop = Stop(); "
        "before = stop.wait(0.01); threading.Thread(target=stop.set).start(); "
        "print(before, stop.wait(20), stop.wait(20))"
    )
    assert told == "False True True\n"
