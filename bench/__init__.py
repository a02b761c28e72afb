"""One benchmark a file, run with ``python -m bench.NAME``; the last line each prints is JSON."""
