"""Install, upgrade, downgrade, remove, purge on a clean Debian: nothing stays but what was asked to be kept.

The packages are built here, from this tree. What stands in the root is compared file by file before and
after. Control: a package that leaves one file behind is found out. The last line printed is JSON.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.debian_root import (
    CannotError,
    Tools,
    copied,
    demand_root,
    difference,
    inside,
    standing,
    suite,
)
from tools import build_deb, release_tree
from tools.targets import Target

OLD, NEW = "0.1.0", "0.2.0"
EDITED = "# edited by the administrator\n"
FORGOTTEN = "usr/share/gengfu-forgotten"
STATE = "state.db"
SETTINGS_KEPT = {
    "edge": ["+ etc/gengfu", "+ etc/gengfu/edge.toml", "+ etc/gengfu/release_keys"],
    "collector": ["+ etc/gengfu", "+ etc/gengfu/collector.toml"],
}
USER = ["~ etc/group", "~ etc/gshadow", "~ etc/passwd", "~ etc/shadow"]


@dataclass(frozen=True)
class Packages:
    """Two versions of a house's package, and one that leaves a file behind."""

    house: str
    old: Path
    new: Path
    forgetful: Path


def tree_of(work: Path, house: str = "edge") -> Path:
    """Return a release's tree, made of this source; one that was made before is taken as it is."""
    tree = work / f"tree-{house}"
    if not tree.exists():
        fresh = work / f".tree-{house}"
        shutil.rmtree(fresh, ignore_errors=True)
        release_tree.make(fresh, house, Target.here())
        release_tree.compiled(fresh, Target.here())
        fresh.rename(tree)
    return tree


def built(work: Path, folder: Path, house: str) -> Packages:
    """Build them; both versions hold the same modules, which is enough for whoever only installs them."""
    target = Target.here()
    folder.mkdir()
    tree, debs = folder / "tree", []
    shutil.copytree(tree_of(work, house), tree, symlinks=True)
    for version in (OLD, NEW):
        release_tree.renamed(tree, version)
        archive = folder / f"{version}.release"
        said = release_tree.archived(tree, archive, f"gengfu-{house}", version, target, preset=0)
        debs.append(build_deb.package(archive, house, said, target, folder))
    return Packages(house, debs[0], debs[1], _forgetful(debs[0], folder))


def _forgetful(deb: Path, folder: Path) -> Path:
    """Return the package with a postinst that leaves a file of its own which no purge knows of."""
    root, changed = folder / "forgetful", folder / "forgetful.deb"
    subprocess.run(["dpkg-deb", "-R", deb, root], check=True)
    script = root / "DEBIAN/postinst"
    script.write_text(script.read_text() + f"touch /{FORGOTTEN}\n")
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, changed], check=True, stdout=-3
    )
    return changed


class Site:
    """A clean Debian and what has been found wrong with it."""

    def __init__(self, base: Path, folder: Path, name: str, house: str) -> None:
        """Copy the base."""
        self.product, self.settings = f"gengfu-{house}", f"etc/gengfu/{house}.toml"
        self.house, self.state = house, f"var/lib/gengfu/{house}"
        self.root, self.name, self.found = folder / f"site-{name}", name, list[str]()
        copied(base, self.root)
        self.before = standing(self.root)

    def install(self, deb: Path) -> str:
        """Install a package as a person does who answers no question, and return what it says."""
        shutil.copy(deb, self.root / "tmp/package.deb")
        done = inside(self.root, "dpkg", "--force-confold", "-i", "/tmp/package.deb")
        return done.stdout + done.stderr

    def must(self, what: str, holds: bool) -> None:
        """Note a claim that does not hold."""
        if not holds:
            self.found.append(f"{self.name}: {what}")

    def version(self) -> str:
        """Return what the command says."""
        return inside(self.root, "gengfu", "--version", check=False).stdout.strip()

    @property
    def state_kept(self) -> list[str]:
        """Return how the state shows in a difference."""
        return ["+ var/lib/gengfu", f"+ {self.state}", f"+ {self.state}/{STATE}"]

    def changed(self) -> list[str]:
        """Return what stands otherwise than before."""
        return difference(self.before, standing(self.root))

    def work(self) -> None:
        """Edit the settings, and leave the state that a gateway leaves, as its user."""
        settings = self.root / self.settings
        settings.write_text(EDITED + settings.read_text())
        write = f"umask 077; echo a buffer > /{self.state}/{STATE}"
        inside(self.root, "setpriv", "--reuid=gengfu", "--regid=gengfu", "--clear-groups", "sh", "-c", write)

    def is_kept(self) -> bool:
        """Say whether settings and state are as ``work`` left them."""
        settings = self.root / self.settings
        state = self.root / self.state / STATE
        return settings.read_text().startswith(EDITED) and state.read_text() == "a buffer\n"


def life(site: Site, packages: Packages) -> None:
    """Install, upgrade, downgrade, remove, install again, purge."""
    root = site.root
    told = site.install(packages.old)
    site.must("the next step is told", f"gengfu {site.house} check /{site.settings}" in told)
    site.must("the command runs", site.version() == f"gengfu {OLD}")
    sound = inside(root, "gengfu", site.house, "check", f"/{site.settings}")
    site.must("the settings laid down are sound", "sound" in sound.stdout)
    modes = standing(root)
    site.must("settings are for root and the service", modes[site.settings].startswith("-rw-r----- 0:"))
    site.must("the state folder is the service's alone", modes[site.state].startswith("drwx------ "))
    site.must(
        "the user is no person", "/usr/sbin/nologin" in (root / "etc/passwd").read_text().split("gengfu")[-1]
    )
    site.work()
    site.install(packages.new)
    site.must("the upgrade is in force", site.version() == f"gengfu {NEW}")
    site.must("an upgrade keeps settings and state", site.is_kept())
    site.install(packages.old)
    site.must("the downgrade is in force", site.version() == f"gengfu {OLD}")
    site.must("a downgrade keeps settings and state", site.is_kept())
    inside(root, "dpkg", "--remove", site.product)
    left = site.changed()
    site.must(
        f"a removal leaves settings, state and user, not {left}",
        left == sorted_paths([*SETTINGS_KEPT[site.house], *site.state_kept, *USER]),
    )
    site.must("a removal keeps settings and state as they were", site.is_kept())
    site.install(packages.new)
    site.must("it is there again", site.version() == f"gengfu {NEW}")
    site.must("it finds settings and state", site.is_kept())
    inside(root, "dpkg", "--purge", site.product)
    site.must(f"a purge leaves nothing, not {site.changed()}", site.changed() == [])


def kept_on_purge(site: Site, packages: Packages) -> None:
    """Purge where the state was asked to be kept, and when that is not asked any more."""
    site.install(packages.old)
    site.work()
    keep = site.root / "var/lib/gengfu/keep"
    keep.touch()
    inside(site.root, "dpkg", "--purge", site.product)
    wanted = sorted_paths([*site.state_kept, "+ var/lib/gengfu/keep", *USER])
    site.must(f"only the state is kept, not {site.changed()}", site.changed() == wanted)
    keep.unlink()
    site.install(packages.old)
    inside(site.root, "dpkg", "--purge", site.product)
    site.must(f"then nothing is, not {site.changed()}", site.changed() == [])


def wrong_python(site: Site, packages: Packages) -> None:
    """A package for another Python is refused before anything is laid down."""
    changed = site.root.parent / "wrong.deb"
    tree = site.root.parent / "wrong"
    subprocess.run(["dpkg-deb", "-R", packages.old, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(
        control.read_text().replace("python3 (>= 3.11), python3 (<< 3.12)", "python3 (>= 3.99)")
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, changed], check=True, stdout=-3
    )
    shutil.copy(changed, site.root / "tmp/package.deb")
    done = inside(site.root, "dpkg", "-i", "/tmp/package.deb", check=False)
    site.must("dpkg says what it depends on", "depends on python3 (>= 3.99)" in done.stdout + done.stderr)
    site.must("no release is in force", not (site.root / "opt/gengfu").exists())
    inside(site.root, "dpkg", "--purge", site.product)
    site.must(f"a purge leaves nothing, not {site.changed()}", site.changed() == [])


def forgetful(site: Site, packages: Packages) -> None:
    """The control's story: whoever looks as ``life`` does finds the file."""
    site.install(packages.forgetful)
    inside(site.root, "dpkg", "--purge", site.product)
    site.must(f"a purge leaves nothing, not {site.changed()}", site.changed() == [])


def sorted_paths(told: list[str]) -> list[str]:
    """Return paths as ``difference`` orders them."""
    return sorted(told, key=lambda each: (each[2:], each))


STORIES: tuple[Callable[[Site, Packages], None], ...] = (life, kept_on_purge, wrong_python)


def main() -> None:
    """Build, play the stories and the control, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="The life of one installation, and the control.")
    parser.add_argument(
        "--work", type=Path, help="Keep a Debian and a release's tree there, and take those that are there."
    )
    given = parser.parse_args()
    began_s = time.monotonic()
    conditions: dict[str, object] = {"short": given.short}
    figures: dict[str, object] = {}
    found, control = list[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="gengfu-packaging-") as name:
        folder = Path(name)
        try:
            demand_root()
            work = given.work or folder / "work"
            work.mkdir(exist_ok=True)
            base = work / "base"
            if not base.exists():
                Tools(work / "tools").debian(work / ".base", suite())
                (work / ".base").rename(base)
        except CannotError as error:
            conditions["skipped"] = str(error)
            print(f"not done: {error}")
        else:
            conditions["suite"] = suite()
            for house in ("edge",) if given.short else ("edge", "collector"):
                packages = built(work, folder / house, house)
                figures[f"{house}_package_mib"] = round(packages.old.stat().st_size / 1024**2, 1)
                for story in STORIES if house == "edge" and not given.short else STORIES[:1]:
                    site = Site(base, folder, f"{house}_{story.__name__}", house)
                    story(site, packages)
                    found += site.found
                    print(f"{site.name}: {'; '.join(site.found) or 'as it must be'}", flush=True)
                    shutil.rmtree(site.root)
                if house == "edge":
                    site = Site(base, folder, "forgetful", house)
                    forgetful(site, packages)
                    control = site.found
                    shutil.rmtree(site.root)
            print(f"control: {'; '.join(control) or 'NOTHING FOUND'}")
            figures |= {"packaging_found": len(found), "packaging_control_found": len(control)}
    conditions["seconds"] = round(time.monotonic() - began_s)
    conditions["found"] = found
    print(json.dumps({"name": "packaging", "figures": figures, "conditions": conditions}))
    is_blind = "skipped" not in conditions and not any(FORGOTTEN in each for each in control)
    sys.exit(bool(found) or is_blind)


if __name__ == "__main__":
    main()
