"""The wheel, installed outside the tree: it holds what a cabinet needs, and nothing of the centre."""

import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tools.locked import entries, needed

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
OF_THE_CENTRE = ["fastapi", "starlette", "sqlalchemy", "influxdb_client", "nicegui"]
NOT_SHIPPED = ["tests", "bench"]


@dataclass(frozen=True)
class Wheel:
    """A built wheel, opened."""

    path: Path
    names: list[str]
    metadata: Message


def run(*words: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program; the test fails with what it printed if it does not succeed."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """Build the wheel with the build backend of the lock, without isolation and without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        [text] = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    return Wheel(path, names, Parser().parsestr(text))


@pytest.fixture(scope="module")
def cabinet(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with [edge] into a fresh environment outside the tree; return its bin folder."""
    folder = tmp_path_factory.mktemp("cabinet")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    names = sorted(needed(wheel.metadata.get_all("Requires-Dist", []), {"edge"}, set()))
    locked = entries()
    (folder / "edge.lock").write_text("\n".join(locked[name] for name in names) + "\n")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "venv",
        "--disable-pip-version-check",
    ]
    run(*pip, "install", "-q", "--no-deps", "--require-hashes", "-r", folder / "edge.lock", cwd=folder)
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel.path, cwd=folder)
    run(*pip, "check", cwd=folder)  # nothing that the metadata asks for is missing
    return folder / "venv" / "bin"


def test_every_room_ships_and_tests_do_not(wheel: Wheel) -> None:
    """A room that is forgotten in the list of packages would be missed only in the field."""
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - set(NOT_SHIPPED)
    assert rooms == set(PACKAGES["packages"])
    tops = {name.split("/")[0] for name in wheel.names}
    assert {top for top in tops if not top.endswith(".dist-info")} == rooms


def test_the_data_of_the_rooms_ships(wheel: Wheel) -> None:
    """Every shipped profile, and every module."""
    models = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("device_profiles/models/*.toml")}
    assert models
    modules = {
        path.relative_to(ROOT).as_posix()
        for room in PACKAGES["packages"]
        for path in (ROOT / room).rglob("*.py")
    }
    assert models | modules <= set(wheel.names)


def test_a_cabinet_runs_from_the_wheel_alone_and_holds_nothing_of_the_centre(
    cabinet: Path, tmp_path: Path
) -> None:
    """One installation serves all of it: small flash, small memory, small attack surface."""
    count = len(list(ROOT.glob("device_profiles/models/*.toml")))
    done = run(cabinet / "gengfu", "profiles", "check", cwd=tmp_path)
    assert done.stdout == f"{count} profiles checked, all sound\n"
    python: list[str | Path] = [cabinet / "python", "-I", "-c"]  # isolated: the tree is not searched
    where = run(*python, "import device_profiles as d; print(d.__file__)", cwd=tmp_path).stdout
    assert where.startswith(str(cabinet.parent))
    for module in ("edge", "firmware_shims.catalogue", "device_profiles.catalogue", "aiomqtt", "serial"):
        run(*python, f"import {module}", cwd=tmp_path)
    for module in OF_THE_CENTRE + NOT_SHIPPED:
        failed = run(*python, f"import {module}", cwd=tmp_path, check=False)
        assert f"ModuleNotFoundError: No module named '{module}'" in failed.stderr
