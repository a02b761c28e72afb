"""Commands from the centre: judged, on disk before anything acts, executed at most once, answered for."""
