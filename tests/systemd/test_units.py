"""The units keep what they promise: hardened, restarted for ever, serial ports for the gateway alone."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = {path.stem: path for path in sorted((ROOT / "systemd").glob("*.service"))}
HARDENED = {
    "AmbientCapabilities": [""],
    "CapabilityBoundingSet": [""],
    "DevicePolicy": ["closed"],
    "DynamicUser": ["yes"],
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
def test_a_unit_runs_its_command_and_is_restarted_for_ever(path: Path) -> None:
    """Type=exec, because the daemon does not notify."""
    unit = sections(path)
    house = path.stem.removeprefix("gengfu-")
    assert set(unit) == {"Unit", "Service", "Install"}
    assert unit["Service"]["Type"] == ["exec"]
    assert unit["Service"]["ExecStart"] == [
        f"/opt/gengfu/bin/gengfu {house} run --settings /etc/gengfu/{house}.toml"
    ]
    assert unit["Service"]["Restart"] == ["always"]
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Service"]["StateDirectory"] == unit["Service"]["User"] == [path.stem]


@each_unit
def test_a_unit_is_hardened(path: Path) -> None:
    """Each directive exactly as listed, so that dropping one is a decision."""
    service = sections(path)["Service"]
    assert {name: service.get(name) for name in HARDENED} == HARDENED


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
