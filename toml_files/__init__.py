"""TOML files that people write: read, checked, and every mistake told by file, line, key and remedy.

Imports nothing of ours; settings, profiles and cabinets are all read through it.
"""

from toml_files.reading import Problem, TomlFile, TomlFileError

__all__ = ["Problem", "TomlFile", "TomlFileError"]
