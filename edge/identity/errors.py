"""What goes wrong with identities."""


class IdentityError(RuntimeError):
    """A file, a key or a setting is not as it must be; the text says which, why, and what to do."""


class UnreadableError(IdentityError):
    """A file is there, and damaged: what it held is lost, and enrolling again makes another."""


class EnrolError(RuntimeError):
    """The centre was not reached, not believed, or refuses; the text says why and what to do."""

    def __init__(self, text: str, status: int = 0) -> None:
        """``status`` is that of HTTP, 0 where there was none."""
        super().__init__(text)
        self.status = status
