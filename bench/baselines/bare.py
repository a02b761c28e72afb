"""A process that only imports what `gengfu edge run` imports, and waits: what the modules alone take."""

import json
import signal

import edge.run
from bench.baselines.asked import LIFE_MAX_S
from gengfu import main

if __name__ == "__main__":
    signal.alarm(LIFE_MAX_S)
    main._add_groups()
    print(json.dumps({"imported": edge.run.__name__}), flush=True)
    signal.pause()
