"""Programs are the machine's, or what ``make setup`` unpacked, with the libraries that came along."""

from pathlib import Path

import pytest

from simulators import programs


def test_a_program_that_only_was_unpacked_is_found_with_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Debian has put it; one that is nowhere is not invented."""
    program = tmp_path / "root" / "usr" / "bin" / "only-unpacked"
    library = tmp_path / "root" / "usr" / "lib" / "x86_64-linux-gnu" / "libonly.so.1"
    for file in (program, library):
        file.parent.mkdir(parents=True)
        file.touch(mode=0o755)
    monkeypatch.setenv("GENGFU_DEPS", str(tmp_path))
    found = programs.find("only-unpacked")
    assert found
    assert found[0] == str(program)
    assert found[1]["LD_LIBRARY_PATH"] == str(library.parent)
    assert programs.find("nowhere-at-all") is None


def test_the_machines_own_program_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment that is left as it is."""
    for folder in (tmp_path / "machine", tmp_path / "deps" / "root" / "usr" / "bin"):
        folder.mkdir(parents=True)
        (folder / "both").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "machine"))
    monkeypatch.setenv("GENGFU_DEPS", str(tmp_path / "deps"))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    found = programs.find("both")
    assert found
    assert found[0] == str(tmp_path / "machine" / "both")
    assert "LD_LIBRARY_PATH" not in found[1]
