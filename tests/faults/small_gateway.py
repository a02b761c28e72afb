"""The ``gengfu`` command with memory for few samples, so that a story of seconds overflows it."""

from edge import recorder
from gengfu.main import run

PENDING_SAMPLES_MAX = 2_500

if __name__ == "__main__":
    recorder.PENDING_SAMPLES_MAX = PENDING_SAMPLES_MAX
    run()
