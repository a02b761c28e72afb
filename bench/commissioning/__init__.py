"""What the benchmark of commissioning, and its tests, are made of."""
