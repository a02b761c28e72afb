"""The token by which commands ask a centre: one file, which nobody but its owner may read."""

import os
import ssl
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

VARIABLE, CA_VARIABLE = "GENGFU_TOKEN_FILE", "GENGFU_CA_FILE"
TOKEN_BYTES_MAX = 4096


class TokenFileError(RuntimeError):
    """The token cannot be used; the text says which file, why, and what to do."""


def default(environment: Mapping[str, str]) -> Path:
    """Return where a token is looked for when no variable names a file."""
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config"
    return Path(home) / "gengfu" / "token"


def headers(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a request to this centre says of who asks; nothing where there is no token."""
    named = environment.get(VARIABLE)
    path = Path(named) if named else default(environment)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw = file.read(TOKEN_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not named:
            return {}
        raise TokenFileError(f"{path}: no such file; {VARIABLE} names it") from error
    except OSError as error:
        raise TokenFileError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if mode & 0o077:
        raise TokenFileError(
            f"{path} has mode {mode:04o}, so others may have read the token; run  chmod 600 {path}  "
            "if nobody has; else revoke it and have another made"
        )
    token = raw.strip()
    if not token or len(raw) > TOKEN_BYTES_MAX or not all(0x21 <= byte <= 0x7E for byte in token):
        raise TokenFileError(f"{path} holds no token: one word of ASCII; have one made: gengfu tokens create")
    if not _is_safe(url):
        raise TokenFileError(
            f"{url}: everybody on the way could read the token; write https://, or go through a tunnel to "
            "127.0.0.1"
        )
    return {"Authorization": f"Bearer {token.decode('ascii')}"}


def verification(url: str, environment: Mapping[str, str]) -> ssl.SSLContext | bool:
    """Return by what a centre's certificate is verified: the system's authorities, or your own."""
    named = environment.get(CA_VARIABLE)
    if not named or not url.startswith("https:"):
        return True
    try:
        return ssl.create_default_context(cafile=named)
    except (OSError, ssl.SSLError) as error:
        reason = str(getattr(error, "strerror", "") or error).lower()
        raise TokenFileError(
            f"{named}: no certificate of an authority: {reason}; {CA_VARIABLE} names it"
        ) from error


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
