"""The one error of this room."""


class ContractError(ValueError):
    """A message, topic or value breaks the contract; the text says what and where."""
