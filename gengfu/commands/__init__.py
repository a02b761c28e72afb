"""One module a command group; rooms are imported inside the functions."""
