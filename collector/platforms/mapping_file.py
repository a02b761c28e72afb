"""Reading a platform's mapping file: every mistake is told by file, line, key and remedy."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from collector.platforms import templates
from collector.platforms.mapping import FIELDS, Ask, PlatformMapping
from collector.platforms.templates import Words
from toml_files import Problem, TomlFile, TomlFileError

EXAMPLE = Path(__file__).with_name("mapping.example.toml")
"""The manual of mapping files."""


def load_mapping(path: Path) -> PlatformMapping:
    """Read a mapping file; TomlFileError lists every mistake with file, line, key and remedy."""
    file = TomlFile.read(path)
    mapping = file.parse(PlatformMapping)
    if found := list(_mistakes(mapping, file)):
        raise TomlFileError(found)
    return mapping


def _mistakes(mapping: PlatformMapping, file: TomlFile) -> Iterator[Problem]:
    words = mapping.words()
    for kind, request in mapping.messages.items():
        yield from _of_request(request, ("messages", kind), file, words, _is_case_field)
    if mapping.look_up:
        yield from _of_request(mapping.look_up.request, ("look_up", "request"), file, words, _is_case_field)
        if not (mapping.look_up.found or mapping.look_up.absent or mapping.look_up.absent_statuses):
            what = "does not say how the platform says that it does not have a case"
            yield file.problem(("look_up",), what, "write found, absent or absent_statuses")
    if mapping.poll:
        yield from _of_request(
            mapping.poll.request, ("poll", "request"), file, words, {"cursor"}.__contains__
        )
    for name, fields in (
        ("look_up", mapping.look_up and mapping.look_up.status),
        ("poll", mapping.poll and mapping.poll.status),
        ("callbacks", mapping.callbacks and mapping.callbacks.status),
    ):
        if fields and not (fields.case or fields.number) and name != "look_up":
            what = "names neither case nor number, so nobody knows which case an item is of"
            yield file.problem(
                (name, "status"), what, "write case (our id or number) or number (the platform's)"
            )
    yield from _twice(mapping, file)
    bodies = [json.dumps(each.model_dump()) for each in mapping.messages.values()]
    if mapping.key and not mapping.key.header and not all("{key" in body for body in bodies):
        what, remedy = "is empty, and not every message holds {key}", "write it into them, or name the header"
        yield file.problem(("key", "header"), what, remedy)


def _is_case_field(path: str) -> bool:
    return path in FIELDS or path.partition(".")[0] in ("detail", "evidence")


def _of_request(
    request: Ask, key: tuple[str | int, ...], file: TomlFile, words: Words, known: Callable[[str], bool]
) -> Iterator[Problem]:
    for place, template in _strings(request, key):
        for what in templates.problems(template, words, known):
            yield file.problem(place, what, "see mapping.example.toml for the fields and filters")
    if request.method == "GET" and request.body is not None:
        yield file.problem((*key, "body"), "a GET has none", "write it into path, or choose POST")


def _strings(request: Ask, key: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield (*key, "path"), request.path
    for name, template in request.headers.items():
        yield (*key, "headers", name), template
    if request.body is not None:
        yield from _leaves(request.body, (*key, "body"))


def _leaves(node: Any, key: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, each in node.items():
            yield from _leaves(each, (*key, name))
    elif isinstance(node, list):
        for index, each in enumerate(node):
            yield from _leaves(each, (*key, index))


def _twice(mapping: PlatformMapping, file: TomlFile) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for ours, theirs in mapping.stages.items():
        if not theirs:
            yield file.problem(
                ("stages", ours), "has no word", "write the platform's words for it, or remove it"
            )
        for word in theirs:
            if word in seen:
                what = f"{word!r} stands for {seen[word]} already"
                yield file.problem(("stages", ours), what, "a word of the platform stands for one stage")
            seen[word] = ours
