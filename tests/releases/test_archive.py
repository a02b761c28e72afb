"""What may be in a release's archive, and what is refused before anything of it is used."""

import lzma
import tarfile
from pathlib import Path

import pytest

from releases.archive import Manifest, ReleaseError, digest, manifest, unfit, unpack
from tests.releases.making import MULTIARCH, PYTHON, content, member, release, said, written


def test_a_release_is_unpacked_with_the_modes_we_set_and_the_one_link_we_make(tmp_path: Path) -> None:
    """Programs are programs, the rest is read only by others, and Python is the system's."""
    archive = release(tmp_path / "a.release", "1.2.3")
    told = unpack(archive, tmp_path / "out")
    assert told == manifest(archive) == Manifest("gengfu-edge", "1.2.3", PYTHON, MULTIARCH, 10_000)
    modes = {
        path.name: path.stat().st_mode & 0o7777
        for path in (tmp_path / "out").rglob("*")
        if not path.is_symlink()
    }
    assert modes["gengfu"] == modes["room"] == 0o755
    assert modes["0.py"] == 0o644
    assert str((tmp_path / "out/bin/python3").readlink()) == f"/usr/bin/python{PYTHON}"


@pytest.mark.parametrize(
    "wrong",
    [
        member("../outside", b"x"),
        member("/etc/passwd", b"x"),
        member("lib/../../outside", b"x"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", type=tarfile.LNKTYPE, linkname="release.json"),
        member("device", type=tarfile.CHRTYPE),
        member("pipe", type=tarfile.FIFOTYPE),
        member("release.json", b"again"),
        member("large", b"x" * 50_000),
    ],
    ids=lambda each: f"{each[0].name} {each[0].type!r}",
)
def test_what_may_not_be_in_a_release_is_not_unpacked(
    wrong: tuple[tarfile.TarInfo, bytes], tmp_path: Path
) -> None:
    """Nothing that points or lies elsewhere, no device, no more than it says; nothing is left outside."""
    archive = written(tmp_path / "a.release", said("1.0.0"), wrong)
    (tmp_path / "in").mkdir()
    with pytest.raises(ReleaseError):
        unpack(archive, tmp_path / "in" / "out")
    assert not (tmp_path / "in" / "outside").exists()
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"schema": 2},
        {"version": "../../etc"},
        {"version": 1},
        {"python": "3.11/../../tmp/python"},
        {"unpacked_bytes": -1},
        {"unpacked_bytes": True},
        {"product": None},
    ],
)
def test_a_release_that_says_nonsense_of_itself_is_none(given: dict[str, object], tmp_path: Path) -> None:
    """Names of folders and programs are made of it."""
    with pytest.raises(ReleaseError):
        manifest(written(tmp_path / "a.release", said("1.0.0", **given)))


def test_half_an_archive_another_file_and_none_are_told(tmp_path: Path) -> None:
    """One sentence each."""
    whole = release(tmp_path / "whole", "1.0.0").read_bytes()
    half, noise = tmp_path / "half", tmp_path / "noise"
    half.write_bytes(whole[: len(whole) // 2])
    noise.write_bytes(lzma.compress(b"no tar" * 500))
    for path in (half, noise, written(tmp_path / "no-manifest", member("a", b"b"))):
        for use in (manifest, lambda each: unpack(each, tmp_path / "out")):
            with pytest.raises(ReleaseError, match="no release"):
                use(path)
    with pytest.raises(ReleaseError, match="cannot be read: no such file"):
        digest(tmp_path / "none")


def test_a_disk_without_room_is_told_before_anything_is_unpacked(tmp_path: Path) -> None:
    """By what the release says it takes."""
    archive = written(tmp_path / "a.release", said("1.0.0", unpacked_bytes=1024**3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1024**3}))
        with pytest.raises(ReleaseError, match="1056 MiB are needed"):
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_release_for_another_python_or_machine_does_not_fit() -> None:
    """Compiled wheels are for one of each."""
    assert unfit(Manifest("gengfu-edge", "1.0", PYTHON, MULTIARCH, 0)) == ""
    assert "built for Python 3.99" in unfit(Manifest("gengfu-edge", "1.0", "3.99", MULTIARCH, 0))
    assert "on sparc-linux-gnu" in unfit(Manifest("gengfu-edge", "1.0", PYTHON, "sparc-linux-gnu", 0))


def test_the_same_files_are_the_same_release(tmp_path: Path) -> None:
    """What is unpacked twice is equal."""
    archive = release(tmp_path / "a.release", "1.0.0")
    unpack(archive, tmp_path / "one")
    unpack(archive, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")
