"""Names and addresses by which servers are reached, as certificates may hold them. Pure."""

import ipaddress
import re

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def checked(host: str) -> str:
    """Return a name or an address as it is written in a certificate; ValueError says what to write."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii").rstrip(".")
    except UnicodeError:
        name = ""
    if len(name) > 253 or not all(map(_LABEL.fullmatch, name.split("."))):
        raise ValueError(
            f"{host!r} is no name or address of a server; write one as centre.example or 10.0.0.5"
        )
    return name
