"""The interface asked at length what its description allows and forbids; findings end with 1.

``python -m bench.openapi [EXAMPLES [SEED]]``: as ``tests/collector/test_openapi.py``, but longer.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from bench.telling import Figures
from tests.collector import test_openapi

EXAMPLES = 100
SEED = 1


def main(examples: int = EXAMPLES, seed: int = SEED) -> int:
    """Ask, print findings and figures; return 1 where something was found."""
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder, test_openapi.filled(Path(folder)) as (centre, token):
        report = test_openapi.asked(centre, centre.collector.app, token, examples, seed)
    figures: Figures = {
        "requests": report.requests,
        "operations": len({name for name, _ in report.answers}),
        "operations_with_good_answers": len({name for name, status in report.answers if status < 300}),
        "findings": len(report.findings),
        "cpu_s": round(time.process_time() - began_s, 1),
    }
    for line in report.text().splitlines():
        print(line)
    print(
        json.dumps(
            {"name": "openapi", "figures": figures, "conditions": {"examples": examples, "seed": seed}}
        )
    )
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:3])))
