"""TALQ's published schemas, where somebody has them: ``GENGFU_TALQ_SCHEMAS`` names the file."""

import datetime as dt
import json
import os
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

VARIABLE = "GENGFU_TALQ_SCHEMAS"
"""Path of an OpenAPI document with TALQ's data model under ``components/schemas``."""

_FORMATS = FormatChecker(())


@_FORMATS.checks("date", raises=ValueError)
def _date(value: object) -> bool:
    return not isinstance(value, str) or bool(dt.date.fromisoformat(value))


@_FORMATS.checks("time")
def _time(value: object) -> bool:
    """TALQ's descriptions say hh:mm:ss, without the zone that RFC 3339 asks for."""
    return not isinstance(value, str) or bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", value))


class Schemas:
    """Validates an object by its schema, and everything in it that says what it is by that one as well."""

    def __init__(self, path: Path) -> None:
        """Read them."""
        self._components = json.loads(path.read_text())["components"]
        self.used: set[str] = set()

    @staticmethod
    def path() -> Path | None:
        """Return where they are, if the environment says so."""
        text = os.environ.get(VARIABLE)
        return Path(text) if text else None

    def problems(self, value: Any, name: str | None = None) -> list[str]:
        """Return what is wrong with a value; ``name`` is its schema's, else that of its discriminator."""
        found: list[str] = []
        if isinstance(value, dict):
            said = value.get("type") or value.get("name")
            for schema in {name, said} & set(self._components["schemas"]):
                self.used.add(str(schema))
                found += self._refusals(value, str(schema))
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            found += self.problems(inner)
        return found

    def _refusals(self, value: Any, name: str) -> list[str]:
        schema = {"$ref": f"#/components/schemas/{name}", "components": self._components}
        validator = Draft202012Validator(schema, format_checker=_FORMATS)
        return [f"{name}: {it.json_path}: {it.message}" for it in validator.iter_errors(value)]
