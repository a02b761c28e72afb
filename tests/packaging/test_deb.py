"""The Debian packages: what they lay down, what they depend on, and the program that stands beside releases.

``tests/faults/packaging.py`` installs and removes them on a clean Debian, ``updates.py`` there boots it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector.settings import load as load_collector
from edge import checks
from releases.archive import manifest
from tests.releases.making import content, release
from tools import build_deb
from tools.build_deb import HOUSES
from tools.locked import ROOT
from tools.release_tree import LAUNCHER, BuildError, archived, renamed
from tools.targets import Target

TARGET = Target("3.11", "arm64")
each_house = pytest.mark.parametrize("house", HOUSES)


def tree(folder: Path) -> Path:
    """Return a small release's tree."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/gengfu").write_text(LAUNCHER)
    (folder / "bin/gengfu").chmod(0o755)
    info = folder / "lib/python3.11/site-packages/gengfu-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: gengfu\nVersion: 0.1.0\nRequires-Dist: a\n")
    return folder


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not on this machine (Debian: dpkg)")
@each_house
def test_a_package_lays_down_what_stands_still_and_the_release(house: str, tmp_path: Path) -> None:
    """Settings are conffiles, nothing is another user's, and only the scripts of dpkg are run."""
    archive = tmp_path / "a.release"
    said = archived(tree(tmp_path / "tree"), archive, f"gengfu-{house}", "1.2.3", TARGET, preset=0)
    deb = build_deb.package(archive, house, said, TARGET, tmp_path)
    assert deb.name == f"gengfu-{house}_1.2.3_arm64.py311.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tmp_path / "out"], check=True)
    fields = dict(
        line.split(": ", 1)
        for line in (tmp_path / "out/DEBIAN/control").read_text().splitlines()
        if ": " in line
    )
    assert fields["Depends"] == "python3 (>= 3.11), python3 (<< 3.12), passwd"
    assert (fields["Version"], fields["Architecture"]) == ("1.2.3", "arm64")
    assert fields["Conflicts"] == f"gengfu-{HOUSES[house]}"
    laid = {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if not path.is_dir()
    }
    settings = {f"etc/gengfu/{house}.toml"} | ({"etc/gengfu/release_keys"} if house == "edge" else set())
    assert {f"/{path}" for path in settings} == set((tmp_path / "out/DEBIAN/conffiles").read_text().split())
    scripts = {f"DEBIAN/{name}" for name in ("control", "conffiles", "postinst", "prerm", "postrm")}
    assert laid - scripts - settings == {
        "usr/lib/gengfu/releases",
        f"usr/lib/gengfu/gengfu-{house}.release",
        f"usr/lib/systemd/system/gengfu-{house}.service",
        f"usr/share/doc/gengfu-{house}/changelog.gz",
        f"usr/share/doc/gengfu-{house}/copyright",
    } | {"usr/bin/gengfu"}
    listed = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    for script in ("postinst", "prerm", "postrm"):
        text = (tmp_path / "out/DEBIAN" / script).read_text()
        assert "@" not in text
        subprocess.run(["sh", "-n", tmp_path / "out/DEBIAN" / script], check=True)


@each_house
def test_the_settings_that_a_package_lays_down_are_sound(house: str, tmp_path: Path) -> None:
    """They are the example, with the service's folders; a gateway's names no device, and shows every key."""
    path = tmp_path / f"{house}.toml"
    path.write_text(build_deb.settings(house))
    if house == "edge":
        settings, profiles = checks.load(path)
        assert settings.state_folder == "/var/lib/gengfu/edge"
        assert [*settings.lines, *settings.devices, *settings.alarms, *settings.controls] == []
        assert any("gengfu edge identify --write" in note for note in checks.notes(settings, profiles))
        example = (ROOT / "edge/settings.example.toml").read_text().replace('"state"', '"x"')
        shown = path.read_text().replace('"/var/lib/gengfu/edge"', '"x"')
        assert [line.lstrip("# ") for line in shown.splitlines()] == [
            line.lstrip("# ") for line in example.splitlines()
        ]
    else:
        assert str(load_collector(path).data_folder) == "/var/lib/gengfu/collector"


def test_the_program_beside_the_releases_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """One file, for an isolated Python without site-packages: it puts releases in force and guards them."""
    program, root = tmp_path / "releases", tmp_path / "opt"
    build_deb.bootstrap(program)
    assert program.read_bytes().startswith(b"#!/usr/bin/python3 -I\n")

    def told(*words: str) -> str:
        command = [sys.executable, "-I", "-S", str(program), f"--root={root}", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    first, second = release(tmp_path / "first", "1.0.0"), release(tmp_path / "second", "1.1.0")
    assert told("put", str(first)).endswith("is in force")
    assert told("put", str(second), "--upgrade-from", "1.0.0").startswith("gengfu: 1.1.0-")
    assert [line[:8] for line in told("list").splitlines()] == ["- 1.0.0-", "* 1.1.0-"]
    assert content(root / "current")["lib/room/0.py"] == b"1.1.0 0 "
    assert "it stays" in told("put", str(release(tmp_path / "between", "1.0.5")), "--upgrade-from", "1.0.0")
    assert told("put", str(first), "--upgrade-from", "1.1.0").startswith(
        "gengfu: 1.0.0-"
    )  # a downgrade by hand
    assert told("guard") == ""
    assert "cannot be read" in told("put", str(tmp_path / "none")) or "is no release" in told(
        "put", str(tmp_path / "none")
    )


def test_a_release_s_archive_is_the_same_bytes_each_time_and_says_what_it_is(tmp_path: Path) -> None:
    """Without times and names of the machine that makes it."""
    folder = tree(tmp_path / "tree")
    said = archived(folder, tmp_path / "one", "gengfu-edge", "1.2.3", TARGET)
    (folder / "bin/gengfu").touch()
    archived(folder, tmp_path / "two", "gengfu-edge", "1.2.3", TARGET)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert manifest(tmp_path / "one") == said
    assert json.loads(said.written())["multiarch"] == "aarch64-linux-gnu"
    renamed(folder, "2.0.0")
    assert list(folder.glob("lib/*/site-packages/gengfu-2.0.0.dist-info/METADATA"))


def test_wheels_built_by_hand_must_be_of_the_locked_versions(tmp_path: Path) -> None:
    """Another version is told; what is not locked is left aside."""
    from tools.release_tree import _ours

    wanted = {"cffi": "cffi==2.1.1 \\\n    --hash=sha256:0"}
    (tmp_path / "cffi-2.1.1-cp311-cp311-linux_armv7l.whl").touch()
    (tmp_path / "other-1.0-py3-none-any.whl").touch()
    assert list(_ours(tmp_path, wanted)) == ["cffi"]
    (tmp_path / "cffi-2.0.0-cp311-cp311-linux_armv7l.whl").touch()
    with pytest.raises(BuildError, match=r"the locked version is cffi==2\.1\.1"):
        _ours(tmp_path, wanted)
