"""What tests of settings from the centre share: those of a small gateway, and documents with others."""

from pathlib import Path
from typing import Any

from contract import batches
from contract.desired import DesiredKind
from edge.desired.held import Document
from tests.edge.desired.making import KEY, document, signed

SETTINGS = "gateway.toml"
METERS = ("meter-1", "meter-2", "meter-3")

_TEXT = """# {comment}
schema = 1
district = "north"
gateway = "{gateway}"
state_folder = "{state}"
[broker]
host = "{host}"
[centre]
public_keys = [{keys}]
[configuration]
confirm_timeout_s = 60
{more}
[[lines]]
kind = "tcp"
name = "{near}"
host = "127.0.0.1"
port = {port}
[[lines]]
kind = "tcp"
name = "{far}"
host = "127.0.0.1"
port = 9
"""
_METER = """[[devices]]
name = "{name}"
line = "{line}"
unit_id = {unit_id}
profile = "qdy30a"
{rest}
"""


def text(comment: object = "of the file", units: tuple[int, int, int] = (1, 2, 1), **changes: Any) -> str:
    """Return settings: two meters near, one far."""
    given: dict[str, Any] = {
        "comment": comment,
        "gateway": "gw-1",
        "state": "state",
        "host": "broker.example",
        "keys": f'"{KEY.public.line}"',
        "more": "",
        "rest": "",
        "port": 8,
        "names": METERS,
        "near": "near",
        "far": "far",
        **changes,
    }
    near, far = given["near"], given["far"]
    meters = zip(given["names"], (near, near, far), units, strict=True)
    devices = [_METER.format(name=n, line=line, unit_id=unit, rest=given["rest"]) for n, line, unit in meters]
    return _TEXT.format(**given) + "".join(devices)


def settings_document(sequence: int, body: str | None = None) -> Document:
    """Return a document with settings; they differ in a comment alone where nothing else is said."""
    told: dict[str, Any] = {"kind": DesiredKind.CONFIGURATION, "body": body or text(sequence)}
    message = signed(sequence, **told)
    return Document(document(sequence, **told), batches.digest(message), message)


def written(folder: Path, **changes: Any) -> Path:
    """Write the file of settings, and return where."""
    file = folder / SETTINGS
    file.write_text(text(**changes))
    return file
