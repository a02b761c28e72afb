"""Whether this release would work here: its modules, the settings, the buffer. Changes nothing."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

ROOMS = (
    "contract",
    "device_profiles",
    "edge",
    "firmware_shims",
    "lighting",
    "owned_files",
    "releases",
    "toml_files",
)


def problems(settings_file: Path) -> Iterator[str]:
    """Yield what is wrong, in whole sentences; nothing where all is well."""
    yield from _modules()
    from edge import checks
    from toml_files import TomlFileError

    try:
        settings, _ = checks.load(settings_file)
    except TomlFileError as error:
        yield from (str(problem) for problem in error.problems)
        return
    yield from _buffer(settings_file.parent / settings.state_folder / "buffer.db")


def _modules() -> Iterator[str]:
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except Exception as error:  # whatever it is, it must not happen in service
                yield f"{module.name} cannot be imported: {type(error).__name__}: {error}"


def _buffer(path: Path) -> Iterator[str]:
    """Look into the buffer without changing it, also while the running gateway uses it."""
    from edge.buffer import file, looking
    from owned_files import ApartError

    if not path.exists():
        return
    try:
        version = looking.form(path)
        if version not in (0, file.SCHEMA_VERSION):
            yield (
                f"{path}: written by another release (form {version}, not {file.SCHEMA_VERSION}): "
                "stay with that one, or let it deliver what it holds and move the file away"
            )
    except (ApartError, OSError) as error:
        yield f"{path}: cannot be read: {error}"
