"""Which of the locked requirements a part of the project needs, and their entries with their hashes."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def needed(
    requirements: Iterable[str],
    extras: set[str],
    found: set[str],
    environment: Mapping[str, str] | None = None,
) -> set[str]:
    """Add to ``found`` the names of all packages that requirements with these extras bring, and return it.

    What a package itself requires is asked of its installed metadata, which is the lock's version.
    ``environment`` overrides what markers see, for another Python or machine than this one.
    """
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({**(environment or {}), "extra": extra}) for extra in extras or {""}
        )
        if wanted and (name not in found or requirement.extras):
            found.add(name)
            needed(metadata.requires(name) or [], requirement.extras, found, environment)
    return found


def entries() -> dict[str, str]:
    """Return the entries of the lock file, with their hashes, by package name."""
    found = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())
    return {canonicalize_name(re.split(r"[=\[]", entry)[0]): entry.rstrip() for entry in found}


def lock_of(extra: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the entries that ``gengfu[extra]`` needs by pyproject.toml, by package name, sorted."""
    known = entries()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"][extra]]
    names = needed(wanted, set(), set(), environment)
    return {name: known[name] for name in sorted(names)}
