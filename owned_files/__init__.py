"""Files in folders that belong to somebody else: worked on as their owner, read without surprise."""

from owned_files.apart import ApartError, apart
from owned_files.owner import acting_as, as_owner, check_runs_as_owner
from owned_files.reading import NotAFileError, opened, read

__all__ = [
    "ApartError",
    "NotAFileError",
    "acting_as",
    "apart",
    "as_owner",
    "check_runs_as_owner",
    "opened",
    "read",
]
