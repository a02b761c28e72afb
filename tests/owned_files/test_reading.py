"""What is read is a file, at once, and no more of it than is wanted."""

from pathlib import Path

import pytest

from owned_files import NotAFileError, read
from tests.owned_files.strangers import KINDS, laid


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_told_at_once(kind: str, tmp_path: Path) -> None:
    """A pipe would be waited at for ever; of a file without end the beginning is read."""
    laid(tmp_path / "it", kind)
    if kind == "endless":
        assert len(read(tmp_path / "it", 100)) == 101
        return
    with pytest.raises(NotAFileError) as told:
        read(tmp_path / "it", 100)
    assert told.value.strerror == f"it is a {'link' if kind == 'device' else kind}, not a file"
    assert told.value.filename == str(tmp_path / "it")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_a_link_that_may_be_followed_leads_to_a_file_all_the_same(kind: str, tmp_path: Path) -> None:
    """Where people lay links, to certificates say."""
    (tmp_path / "link").symlink_to("it")
    laid(tmp_path / "it", kind)
    with pytest.raises(NotAFileError, match=kind):
        read(tmp_path / "link", 100, follow=True)


def test_a_file_is_read_whole_also_by_way_of_a_link_that_may_be_followed(tmp_path: Path) -> None:
    """And what is missing is missing."""
    (tmp_path / "it").write_bytes(b"whole")
    (tmp_path / "link").symlink_to("it")
    assert read(tmp_path / "it", 100) == read(tmp_path / "link", 100, follow=True) == b"whole"
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none", 100)
