"""Where journal and state are: a file in the data folder, or a PostgreSQL with its password in a file."""

import stat
from pathlib import Path

from pydantic import Field, field_validator

from collector import postgresql
from collector.postgresql import Postgresql
from toml_files import Strict, TomlFile, TomlFileError

PASSWORD_BYTES_MAX = 4096
REMEDY = "name a file that holds the password and nothing else, and that only its owner can read"


class State(Strict):
    """Where journal and state are, if not in the data folder."""

    url: str = Field(default="", max_length=1000)
    password_file: str = Field(default="", max_length=255)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and (found := postgresql.problem(url)):
            raise ValueError(found)
        return url


def told_state(file: TomlFile, folder: Path, told: State) -> Postgresql | None:
    """Return the database's address with its password; None: a file. TomlFileError."""
    if not told.url:
        return None
    if not told.password_file:
        return Postgresql(told.url)  # let in without one: over a socket, or by a certificate
    try:
        return Postgresql(told.url, _password(folder / told.password_file))
    except (OSError, ValueError) as error:
        what = f"{told.password_file}: {str(getattr(error, 'strerror', '') or error).lower()}"
        raise TomlFileError([file.problem(("state", "password_file"), what, REMEDY)]) from error


def _password(path: Path) -> str:
    """Return the line in the file; OSError or ValueError where there is none, or others can read it."""
    with path.open("rb") as opened:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = opened.read(PASSWORD_BYTES_MAX + 1)
    if mode & 0o077:
        raise ValueError(f"has mode {mode:04o}, so others can read it; run  chmod 600")
    password = raw.decode("utf-8", "replace").strip("\r\n")
    if not password or len(raw) > PASSWORD_BYTES_MAX or not password.isprintable():
        raise ValueError("holds no password: one line")
    return password
