"""The parts of ``python -m bench.line_faults``."""
