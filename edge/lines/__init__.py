"""Serial and TCP lines: a pure machine, and the runners that let it touch the world."""
