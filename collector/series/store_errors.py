"""How a series store fails; apart from the store itself, whose library takes long to import."""


class StoreError(OSError):
    """The store did not do what it was asked; the text says what and why."""


class LinesRefusedError(StoreError):
    """The store refuses these lines for what they are, or some of them."""
