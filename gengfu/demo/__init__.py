"""The demo: a city block on this machine, with real processes, a real broker and an audit at the end."""
