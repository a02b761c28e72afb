"""TOML files that people write: read, checked, and every mistake told by file, line, key and remedy.

Imports nothing of ours; settings, profiles and cabinets are all read through it.
"""

from toml_files.forms import NAME_FORM, Strict, Title, name_field
from toml_files.reading import FILE_BYTES_MAX, Problem, TomlFile, TomlFileError, text_of
from toml_files.setting import SettingError, Value, with_keys
from toml_files.words import plain_words
from toml_files.writing import as_toml

__all__ = [
    "FILE_BYTES_MAX",
    "NAME_FORM",
    "Problem",
    "SettingError",
    "Strict",
    "Title",
    "TomlFile",
    "TomlFileError",
    "Value",
    "as_toml",
    "name_field",
    "plain_words",
    "text_of",
    "with_keys",
]
