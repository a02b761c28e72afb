"""TOML files that people write: read, checked, and every mistake told by file, line, key and remedy.

Imports nothing of ours; settings, profiles and cabinets are all read through it.
"""

from toml_files.forms import NAME_FORM, Strict, Title, name_field
from toml_files.reading import Problem, TomlFile, TomlFileError
from toml_files.words import plain_words

__all__ = [
    "NAME_FORM",
    "Problem",
    "Strict",
    "Title",
    "TomlFile",
    "TomlFileError",
    "name_field",
    "plain_words",
]
