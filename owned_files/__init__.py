"""Files in folders that belong to somebody else: worked on as their owner, read without waiting or surprise."""

from owned_files.owner import as_owner, check_runs_as_owner
from owned_files.reading import NotAFileError, opened, read

__all__ = ["NotAFileError", "as_owner", "check_runs_as_owner", "opened", "read"]
