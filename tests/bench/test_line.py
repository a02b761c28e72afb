"""The line benchmark over two crossed ports, as over two adapters."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
BAUDS = (9600, 19200, 115200)


@contextmanager
def crossed(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Run a wire between two ports, in a process of its own."""
    ports = folder / "master", folder / "slave"
    command = [sys.executable, str(ROOT / "tests" / "bench" / "crossed_ports.py"), *map(str, ports)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield ports  # leaving closes its standard input, and with that it ends


def bench_line(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark."""
    command = [sys.executable, "-m", "bench.line", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT, check=False)


def test_it_measures_over_two_crossed_ports(tmp_path: Path) -> None:
    """Both ends open their port at each speed; what the slave answers arrives, and it says what it ran on."""
    with crossed(tmp_path) as (master, other):
        ports = ("--port", str(master), "--slave-port", str(other))
        done = bench_line("--only", "speed", "--seconds", "0.1", "--rounds", "1", *ports)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["conditions"]["wire"] == "hardware"
    assert told["conditions"]["sections"] == ["speed"]
    assert {f"utilisation_{baud}" for baud in BAUDS} < told["figures"].keys()
    transactions = sum(int(line.split()[2]) for line in done.stdout.splitlines() if "gengfu" in line)
    assert told["figures"]["wrong"] < transactions / 2
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[:-1])


def test_it_refuses_what_a_pty_does_not_have(tmp_path: Path) -> None:
    """One port alone, and a parity without ports, are mistakes that it names."""
    for words, what in (
        (["--port", "/dev/null"], "--port and --slave-port belong together"),
        (["--parity", "E"], "a pty knows no parity"),
    ):
        done = bench_line(*words)
        assert done.returncode == 2
        assert what in done.stderr
