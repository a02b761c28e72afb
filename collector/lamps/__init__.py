"""Lamps at the centre: plans pushed, nights proved, rates and reports."""
