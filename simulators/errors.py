"""The one error of this room that people meet."""


class SimulatorError(RuntimeError):
    """A simulator cannot start; the text says what is in the way and what to do."""
