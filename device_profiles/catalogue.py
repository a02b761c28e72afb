"""Finding profiles: those shipped in ``device_profiles/models/``, and a city's own beside them."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from device_profiles.schema import Profile
from toml_files import Problem, TomlFile, TomlFileError, text_of

SHIPPED = Path(str(files("device_profiles"))) / "models"
PROFILES_MAX = 2_000
PARSED_MAX = 128


def load(path: Path) -> Profile:
    """Read one profile; TomlFileError names file, line, key and remedy of every mistake in it."""
    return _parsed(path, text_of(path))


@lru_cache(PARSED_MAX)
def _parsed(path: Path, text: str) -> Profile:
    """A start reads profiles several times: what says the same is parsed once a process."""
    file = TomlFile(text, str(path))
    profile = file.parse(Profile)
    if profile.id != path.stem:
        what = f"{profile.id!r} is not the file's name"
        raise TomlFileError([file.problem(("id",), what, f'write id = "{path.stem}" or rename the file')])
    return profile


def load_beside(path: Path, file: TomlFile, folders: Sequence[str]) -> dict[str, Profile]:
    """Return all profiles for the settings at ``path``, whose ``profile_folders`` are relative to them.

    TomlFileError names the settings' line of a folder that is none, or the mistakes in profiles.
    """
    paths = [path.parent / folder for folder in folders]
    problems = [
        file.problem(
            ("profile_folders", index),
            f"{folder} is no folder",
            f"name a folder of profiles; a relative path begins at {path.parent.absolute()}",
        )
        for index, folder in enumerate(paths)
        if not folder.is_dir()
    ]
    if problems:
        raise TomlFileError(problems)
    return load_all(paths)


def load_all(folders: Iterable[Path] = ()) -> dict[str, Profile]:
    """Return every shipped profile by id, then those of ``folders``, where the later replaces the earlier.

    TomlFileError lists the mistakes of all files together.
    """
    folders = (SHIPPED, *folders)
    for folder in folders:
        if not folder.is_dir():
            raise TomlFileError(
                [Problem(str(folder), 0, "", "is no folder", "name the folder of the profiles")]
            )
    paths = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    if len(paths) > PROFILES_MAX:
        problem = Problem(
            str(paths[-1].parent), 0, "", f"{len(paths)} profiles", f"keep at most {PROFILES_MAX}"
        )
        raise TomlFileError([problem])
    problems: list[Problem] = []
    profiles: dict[str, Profile] = {}
    for path in paths:
        try:
            profile = load(path)
        except TomlFileError as error:
            problems += error.problems
        else:
            profiles[profile.id] = profile
    if problems:
        raise TomlFileError(problems)
    return profiles
