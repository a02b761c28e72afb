"""How near the wire's limit a line is driven, and what silent units cost: ``python -m bench.line``.

Units of ten registers each behind a paced, strict slave (bench/strict_slave.py) in a process of its own.

``speed`` Utilisation is what the wire allows for a transaction over what it took: request, the slave's
turnaround, answer, 3.5 characters of silence (1.75 ms above 19200 baud); the median of several rounds. CPU is
that of this process, beside pymodbus's asyncio client on a slave that forgives its missing silence.
``dead`` and ``dark`` What one dead of ten, and thirty dark of forty, cost the others (bench/line_silent.py).

With ``--port A --slave-port B`` two crossed serial adapters take the place of the pty: A is the master's.
"""

import argparse
import json
import logging
import platform

from bench import line_silent, line_speed
from bench.slave_process import TURNAROUND_MS, Wire
from bench.telling import Figures

SECTIONS = ("speed", "dead", "dark")
QUIET = ("edge.polling", "pymodbus.logging")
"""What they would say of silent units and missed answers stands in the tables."""


def main() -> None:
    """Measure, print tables, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=3, help="Wire time a round and speed; the others scale with it."
    )
    parser.add_argument("--rounds", type=int, default=5, help="Of the speed section.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument("--port", help="The master's serial port.")
    parser.add_argument("--slave-port", help="The slave's, crossed with it.")
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument("--stop-bits", type=int, choices=(1, 2), default=1)
    given = parser.parse_args()
    if bool(given.port) != bool(given.slave_port):
        parser.error("--port and --slave-port belong together; give both or neither")
    if not given.port and (given.parity, given.stop_bits) != ("N", 1):
        parser.error("a pty knows no parity or stop bits; they need --port and --slave-port")
    wire = Wire(given.port, given.slave_port, given.parity, given.stop_bits)
    for logger in QUIET:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    figures: Figures = {}
    for section in (name for name in SECTIONS if name in given.only):
        match section:
            case "speed":
                found = line_speed.measured(wire, given.seconds, given.rounds)
            case "dead":
                found = line_silent.one_dead_of_ten(wire, given.seconds)
            case _:
                found = line_silent.thirty_dark_of_forty(wire, given.seconds)
        for name in line_silent.COUNTED & found.keys() & figures.keys():
            found[name] = (found[name] or 0) + (figures[name] or 0)
        figures |= found
    conditions = {
        "wire": wire.kind,
        "bits": wire.bits,
        "python": platform.python_version(),
        "turnaround_ms": TURNAROUND_MS,
        "seconds": given.seconds,
        "rounds": given.rounds,
        "sections": [section for section in SECTIONS if section in given.only],
        **line_silent.conditions(wire, given.seconds),
    }
    print(json.dumps({"name": "line", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
