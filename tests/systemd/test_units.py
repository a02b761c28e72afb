"""The units keep what they promise: hardened, restarted for ever, serial ports for the gateway alone."""

import re
from pathlib import Path

import pytest

from tests.systemd.analyzing import ANALYZE, complaints, exposure

ROOT = Path(__file__).parents[2]
UNITS = {path.stem: path for path in sorted((ROOT / "systemd").glob("*.service"))}
EXPOSURE_MAX = {"gengfu-edge": 1.5, "gengfu-collector": 2.0}
"""What ``systemd-analyze security`` may find at most; a service without any of it has 9.6."""
HARDENED = {
    "AmbientCapabilities": [""],
    "CapabilityBoundingSet": [""],
    "DevicePolicy": ["closed"],
    "LockPersonality": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "NoNewPrivileges": ["yes"],
    "PrivateMounts": ["yes"],
    "PrivateTmp": ["yes"],
    "ProcSubset": ["pid"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHome": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectSystem": ["strict"],
    "RemoveIPC": ["yes"],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "StateDirectoryMode": ["0700"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "UMask": ["0077"],
}


def sections(path: Path) -> dict[str, dict[str, list[str]]]:
    """Return the directives of a unit by section; each may be given several times."""
    found: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.startswith("[") and line.endswith("]"):
            current = found.setdefault(line[1:-1], {})
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, f"{path.name}:{number}: {line}"
            assert name.isalnum(), f"{path.name}:{number}: {line}"
            assert "#" not in value, f"{path.name}:{number}: systemd knows no comment behind a value"
            current.setdefault(name, []).append(value)
    return found


each_unit = pytest.mark.parametrize("path", UNITS.values(), ids=UNITS.keys())


def test_there_is_a_unit_for_each_house() -> None:
    """The cabinet's and the centre's."""
    assert set(UNITS) == {"gengfu-edge", "gengfu-collector"}


@each_unit
def test_a_unit_runs_its_command_is_watched_and_is_restarted_for_ever(path: Path) -> None:
    """It tells by sd_notify when it is at work, and its watchdog is fed within a minute."""
    unit = sections(path)
    house = path.stem.removeprefix("gengfu-")
    service = unit["Service"]
    assert set(unit) == {"Unit", "Service", "Install"}
    assert service["Type"] == ["notify"]
    assert service["NotifyAccess"] == ["main"]
    assert service["WatchdogSec"] == ["60"]
    assert "TimeoutStartSec" in service
    assert service["ExecStart"] == [
        f"/opt/gengfu/current/bin/gengfu {house} run --settings /etc/gengfu/{house}.toml"
    ]
    assert service["Restart"] == ["always"]
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert service["User"] == service["Group"] == ["gengfu"]
    assert service["StateDirectory"] == [f"gengfu/{house}"]


def test_a_gateway_starts_behind_the_guard_of_its_releases() -> None:
    """With full rights, outside of any release, and where it fails the gateway starts all the same."""
    service = sections(UNITS["gengfu-edge"])["Service"]
    assert service["ExecStartPre"] == ["-+/usr/lib/gengfu/releases guard"]
    assert "ExecStartPre" not in sections(UNITS["gengfu-collector"])["Service"]


@each_unit
def test_a_unit_is_hardened(path: Path) -> None:
    """Each directive exactly as listed, so that dropping one is a decision."""
    service = sections(path)["Service"]
    assert {name: service.get(name) for name in HARDENED} == HARDENED


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine (Debian: systemd)")
@each_unit
def test_systemd_finds_little_that_a_unit_exposes(path: Path, tmp_path: Path) -> None:
    """By its own figure; without its user and its filter a unit exposes more: they are looked at."""
    assert exposure(path) <= EXPOSURE_MAX[path.stem]
    lines = path.read_text().splitlines(keepends=True)
    weakened = tmp_path / path.name
    weakened.write_text("".join(line for line in lines if not line.startswith(("SystemCallFilter", "User="))))
    assert exposure(weakened) > EXPOSURE_MAX[path.stem]


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine (Debian: systemd)")
def test_a_gateway_that_may_reach_its_tpm_is_as_little_exposed(tmp_path: Path) -> None:
    """With the drop-in that the page about TPMs gives; to do it as root would show."""
    page = (ROOT / "docs/how-to/tpm.md").read_text()
    [drop_in] = re.findall(r"```ini\n\[Service\]\n(.*?)```", page, re.DOTALL)
    assert drop_in == "DeviceAllow=/dev/tpmrm0 rw\n"
    unit = tmp_path / "gengfu-edge.service"

    def with_lines(lines: str) -> float:
        unit.write_text(UNITS["gengfu-edge"].read_text().replace("[Install]", f"{lines}\n[Install]"))
        return exposure(unit)

    assert with_lines(drop_in) <= EXPOSURE_MAX["gengfu-edge"]
    assert complaints(unit, tmp_path) == []
    assert with_lines(f"{drop_in}User=root") > EXPOSURE_MAX["gengfu-edge"]


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine (Debian: systemd)")
@each_unit
def test_systemd_understands_every_line_of_a_unit(path: Path, tmp_path: Path) -> None:
    """Misspelt directives and values are warned of, and ignored by it: a protection that is not there."""
    assert complaints(path, tmp_path) == []
    broken = path.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / path.name).write_text(broken)
    assert complaints(tmp_path / "broken" / path.name, tmp_path) != []


@each_unit
def test_a_unit_has_limits(path: Path) -> None:
    """Of memory and of tasks."""
    assert {"MemoryHigh", "MemoryMax", "TasksMax", "TimeoutStopSec"} <= set(sections(path)["Service"])


def test_only_the_gateway_reaches_serial_ports() -> None:
    """Those of boards, USB adapters and modems; the collector reaches no device at all."""
    edge = sections(UNITS["gengfu-edge"])["Service"]
    names = ("ttyS", "ttyUSB", "ttyACM", "ttyAMA", "ttymxc")
    assert edge["DeviceAllow"] == [f"char-{name} rw" for name in names]
    assert edge["SupplementaryGroups"] == ["dialout"]
    assert "PrivateDevices" not in edge
    collector = sections(UNITS["gengfu-collector"])["Service"]
    assert collector["PrivateDevices"] == collector["PrivateUsers"] == ["yes"]
    assert not {"DeviceAllow", "SupplementaryGroups"} & set(collector)


def test_the_gateway_does_not_wait_for_a_network() -> None:
    """It acts on the spot whether or not one is there."""
    unit = sections(UNITS["gengfu-edge"])["Unit"]
    assert "network-online.target" not in " ".join(unit["After"] + unit.get("Wants", []))
