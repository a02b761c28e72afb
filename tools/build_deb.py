"""``python -m tools.build_deb``: the Debian packages gengfu-edge and gengfu-collector, into dist/.

No root is needed. A package lays down the user, folders, unit, command and settings, and the first release;
the release is an archive like those of later updates (docs/decisions/0035). Compiled wheels are for one
Python and one machine, so each package is: give --python and --architecture for another than this one.
"""

import argparse
import gzip
import shutil
import subprocess
import sys
import tempfile
import zipapp
from pathlib import Path

from releases.archive import Manifest
from tools import release_tree
from tools.locked import ROOT
from tools.release_tree import BuildError
from tools.targets import MACHINES, SYSTEMS, Target

HOUSES = {"edge": "collector", "collector": "edge"}
"""Each with the other."""
DESCRIPTIONS = {
    "edge": """street-cabinet gateway daemon
 Reads the devices of a street cabinet, acts on the spot, and loses nothing on the
 way to the centre.""",
    "collector": """centre of street-cabinet gateways
 Receives what gateways measured, keeps it, raises alarms, and follows cases to
 their end.""",
}
KEYS = """# Whose releases `gengfu edge update` takes: public keys, one a line, as ed25519:...
# (docs/how-to/install.md)
"""
STATE = {
    "edge": ('# state_folder = "state"', 'state_folder = "/var/lib/gengfu/edge"'),
    "collector": ('# data_folder = "data"', 'data_folder = "/var/lib/gengfu/collector"'),
}
"""What the packaged settings say in place of the example."""
NEXT = {
    "edge": """echo "gengfu: next: gengfu edge identify --write /etc/gengfu/edge.toml"
  echo "gengfu: it finds the devices; by hand: edit that file, then"
  echo "gengfu: gengfu edge check /etc/gengfu/edge.toml\"""",
    "collector": """echo "gengfu: next: edit /etc/gengfu/collector.toml, then"
  echo "gengfu: gengfu collector check /etc/gengfu/collector.toml"
  echo "gengfu: and  systemctl enable --now gengfu-collector\"""",
}
"""What an installation tells to type next."""
EXAMPLES_BEGIN = "# Lines: serial buses and Modbus TCP endpoints."
"""From here on the gateway's example is of one cabinet; in a package it is commented out."""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Gengfu

Files: *
Copyright: the Gengfu authors
License: Apache-2.0
 The text stands in /usr/share/common-licenses/Apache-2.0. The packages within a release keep their own
 licences, in their .dist-info folders.
"""


def settings(house: str) -> str:
    """Return the settings file that a package lays down: the example, with the service's folders."""
    text = (ROOT / house / "settings.example.toml").read_text()
    before, after = STATE[house]
    assert before in text
    text = text.replace(before, after, 1)
    if house == "edge":
        head, example = text.split(EXAMPLES_BEGIN)
        text = head + "".join(map(_as_comment, (EXAMPLES_BEGIN + example).splitlines(keepends=True)))
    return text.replace('parts_file = "parts.csv" ', '# parts_file = "parts.csv" ', 1)


def _as_comment(line: str) -> str:
    """Return a line of the example so that it only shows; tables without a default in them stay."""
    return line if line.startswith(("#", "\n", "[lighting]")) else f"# {line}"


def bootstrap(path: Path) -> None:
    """Write the program that stands outside of the releases: one file, of the standard library alone."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            ROOT / "releases", Path(folder) / "releases", ignore=shutil.ignore_patterns("__pycache__")
        )
        main = "from releases.__main__ import main\nmain()\n"
        (Path(folder) / "__main__.py").write_text(main)
        zipapp.create_archive(folder, path, interpreter="/usr/bin/python3 -I")
    path.chmod(0o755)


def package(archive: Path, house: str, said: Manifest, target: Target, into: Path, keys: str = KEYS) -> Path:
    """Return the package of a release's archive, written into a folder."""
    product = f"gengfu-{house}"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        _lay(root, archive, house, keys)
        _control(root, house, said, target)
        deb = into / f"{product}_{said.version}_{target.architecture}.py{target.python.replace('.', '')}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(deb)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"dpkg-deb: {done.stderr.strip()}")
    return deb


def _lay(root: Path, archive: Path, house: str, keys: str) -> None:
    product = f"gengfu-{house}"
    for folder in ("DEBIAN", "etc/gengfu", "usr/bin", "usr/lib/gengfu", "usr/lib/systemd/system"):
        (root / folder).mkdir(parents=True)
    shutil.copy(archive, root / f"usr/lib/gengfu/{product}.release")
    bootstrap(root / "usr/lib/gengfu/releases")
    (root / "usr/bin/gengfu").symlink_to("/opt/gengfu/current/bin/gengfu")
    shutil.copy(ROOT / f"systemd/{product}.service", root / "usr/lib/systemd/system")
    (root / f"etc/gengfu/{house}.toml").write_text(settings(house))
    if house == "edge":
        (root / "etc/gengfu/release_keys").write_text(keys)
    documents = root / f"usr/share/doc/{product}"
    documents.mkdir(parents=True)
    (documents / "copyright").write_text(COPYRIGHT)
    changes = gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0)
    (documents / "changelog.gz").write_bytes(changes)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "releases" else 0o644)


def _control(root: Path, house: str, said: Manifest, target: Target) -> None:
    product, other = f"gengfu-{house}", HOUSES[house]
    major, minor = target.python.split(".")
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    (root / "DEBIAN/control").write_text(
        f"Package: {product}\nVersion: {said.version}\nArchitecture: {target.architecture}\n"
        "Maintainer: the Gengfu authors <gengfu@localhost>\n"
        f"Installed-Size: {size + said.unpacked_bytes // 1024}\n"
        f"Depends: python3 (>= {target.python}), python3 (<< {major}.{int(minor) + 1}), passwd\n"
        f"Conflicts: gengfu-{other}\nSection: net\nPriority: optional\n"
        f"Description: {DESCRIPTIONS[house]}\n"
    )
    etc = sorted(path for path in (root / "etc").rglob("*") if path.is_file())
    (root / "DEBIAN/conffiles").write_text("".join(f"/{path.relative_to(root)}\n" for path in etc))
    words = {"@PRODUCT@": product, "@HOUSE@": house, "@OTHER@": other}
    words["@NEXT@"] = NEXT[house]
    words["@TRIAL@"] = "--trial" if house == "edge" else ""
    for script in ("postinst", "prerm", "postrm"):
        text = (ROOT / "tools/debian" / script).read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        (root / "DEBIAN" / script).write_text(text)
        (root / "DEBIAN" / script).chmod(0o755)


def build(house: str, target: Target, into: Path, wheels: Path | None = None) -> tuple[Path, Path]:
    """Build a release's archive and its package into a folder; return both. BuildError says why not."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        release_tree.make(tree, house, target, wheels)
        if not release_tree.compiled(tree, target):
            print(
                f"note: no python{target.python} here, so modules are compiled at each start of the service"
            )
        version = release_tree.version()
        tag = f"py{target.python.replace('.', '')}"
        archive = into / f"gengfu-{house}_{version}_{target.architecture}.{tag}.release"
        said = release_tree.archived(tree, archive, f"gengfu-{house}", version, target)
    return archive, package(archive, house, said, target, into)


def main() -> None:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("houses", nargs="*", choices=[*HOUSES, []], help="edge, collector; both if none.")
    here = Target.here()
    parser.add_argument("--python", default=here.python, choices=SYSTEMS, help="Of the system it is for.")
    parser.add_argument("--architecture", default=here.architecture, choices=MACHINES)
    parser.add_argument(
        "--wheels", type=Path, metavar="FOLDER", help="Wheels built for it, where the index has none."
    )
    parser.add_argument("--into", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    target = Target(given.python, given.architecture)
    try:
        for house in given.houses or HOUSES:
            for path in build(house, target, given.into, given.wheels):
                print(f"{path}  {path.stat().st_size / 1024**2:.1f} MiB")
    except BuildError as error:
        sys.exit(f"build: {error}")


if __name__ == "__main__":
    main()
