"""Files in folders that belong to somebody else: worked on as their owner, read without surprise."""

from owned_files.apart import ApartError, apart
from owned_files.owner import as_owner, check_runs_as_owner
from owned_files.reading import NotAFileError, opened, read

__all__ = ["ApartError", "NotAFileError", "apart", "as_owner", "check_runs_as_owner", "opened", "read"]
