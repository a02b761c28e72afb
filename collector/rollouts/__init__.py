"""Settings brought to a fleet in waves: the next wave waits for the one before, failures stop it."""
