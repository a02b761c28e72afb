"""``gengfu edge bundle``: everything that helps, and no secret, wherever somebody has put one."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.edge.visited import SETTINGS, visited

SECRETS = {
    "setting": "s3tting-Secret-One",
    "comment": "c0mment-Secret-Two",
    "environment": "env1ronment-Secret-Three",
    "file": "f1le-Secret-Four",
    "url": "ur1-Secret-Five",
    "log": "l0g-Secret-Six",
    "bearer": "b3arer-Secret-Seven",
    "key": "MHcCAQEEIKey0fTheGatewaySecretEight",
    "kernel": "k3rnel-Secret-Nine",
    "bare": "env1ronment-Secret-Three",
}
PLANTED = (
    SETTINGS
    + f"""
# password = "{SECRETS["comment"]}"
# was mqtt://gateway:{SECRETS["url"]}@broker.example:8883
"""
)
JOURNAL = f"""#!/bin/sh
echo "gengfu: connecting with token={SECRETS["log"]}"
echo "gengfu: header Authorization: Bearer {SECRETS["bearer"]}"
echo "gengfu: {SECRETS["bare"]} was refused"
echo "gengfu: line rs485-1 does not work"
"""
KERNEL = f"""#!/bin/sh
echo "[1] usb 1-1.2: FTDI USB Serial Device converter now attached to ttyUSB0"
echo "[2] ttyS0: console password {SECRETS["kernel"]}"
echo "[3] eth0: link up"
"""


def programs(folder: Path) -> dict[str, str]:
    """Put a journal and kernel messages on the path, and a secret into the environment."""
    (folder / "bin").mkdir()
    for name, text in (("journalctl", JOURNAL), ("dmesg", KERNEL)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "LC_ALL": "C.UTF-8", "PATH": path, "GENGFU_TOKEN": SECRETS["environment"]}


def bundled(settings: Path, file: Path, env: dict[str, str]) -> tuple[dict[str, bytes], str]:
    """Write a bundle; return its files by name without the folder, and what was said."""
    command = [sys.executable, "-m", "gengfu.main", "edge", "bundle", "--settings", str(settings)]
    done = subprocess.run(
        [*command, "-o", str(file)], env=env, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(file) as archive:
        found = {it.name.split("/", 1)[1]: archive.extractfile(it) for it in archive.getmembers()}
        return {name: data.read() for name, data in found.items() if data}, done.stdout


def test_a_bundle_of_a_running_gateway_has_everything_and_no_secret(tmp_path: Path) -> None:
    """Secrets stand in the settings, a comment, the environment, a file's name, a URL, logs, a key file."""
    env = programs(tmp_path)
    with visited(tmp_path, PLANTED) as site:
        (site.state / f"token-{SECRETS['file']}.txt").write_text(SECRETS["file"])
        (site.state / "gateway.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRETS['key']}\n")
        files, said = bundled(site.settings, tmp_path / "bundle.tar.gz", env)
    for data in [*files.values(), *(name.encode() for name in files)]:
        for secret in SECRETS.values():
            assert secret.encode() not in data
    index = {it["name"]: it for it in json.loads(files["bundle.json"])}
    assert [it["name"] for it in index.values() if it["missing"]] in ([], ["lines.json", "link.json"])
    assert "the cabinet at the corner" in files["settings.toml"].decode()
    assert "line rs485-1 does not work" in files["journal.txt"].decode()
    assert "ttyUSB0" in files["kernel.txt"].decode()
    assert "eth0" not in files["kernel.txt"].decode()
    assert {it["device"] for it in json.loads(files["profiles.json"])} >= {"station", "lamp"}
    assert json.loads(files["buffer.json"])["other_files"] >= 2
    assert {it["name"] for it in json.loads(files["rules.json"])["rules"]} >= {"spray"}
    assert any("msgspec" in it for it in json.loads(files["versions.json"])["packages"])
    assert "look through it" in said
    assert (tmp_path / "bundle.tar.gz").stat().st_mode & 0o077 == 0


def test_what_cannot_be_read_is_named_with_its_reason_and_the_rest_is_there(tmp_path: Path) -> None:
    """No gateway runs, the settings are broken and hold a password, no journal is there, parts are cut."""
    path = tmp_path / "edge.toml"
    broken = f'gateway = "gw-1"\nbroker_password = "{SECRETS["setting"]}"\n[support]\npart_bytes_max = 4096\n'
    path.write_text(broken + "# long\n" * 1000)
    env = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "PATH": str(tmp_path)}
    files, said = bundled(path, tmp_path / "bundle.tar.gz", env)
    index = {it["name"]: it for it in json.loads(files["bundle.json"])}
    for name, reason in (("journal.txt", "not on this machine"), ("rules.json", "no gateway runs")):
        assert reason in index[name]["missing"]
        assert name not in files
    assert "缺少 journal.txt" in said
    assert index["settings.toml"]["cut"]
    assert len(files["settings.toml"]) < 4200
    assert all(SECRETS["setting"].encode() not in data for data in files.values())
    assert json.loads(files["check.json"])["good"] is False


def test_what_settings_that_are_no_toml_call_a_secret_is_taken_out_of_all_parts(tmp_path: Path) -> None:
    """Nobody has named it in the kernel's messages; so are passwords of URLs, with a scheme or without."""
    path = tmp_path / "edge.toml"
    bare, url = SECRETS["setting"], SECRETS["url"]
    path.write_text(
        f'broken =\nhost = "gw:{SECRETS["log"]}@broker"\nbroker_password = "{bare}"\n# mqtt://gw:{url}@h\n'
    )
    env = programs(tmp_path)
    (tmp_path / "bin/dmesg").write_text(f"#!/bin/sh\necho 'ttyS0: {bare} {url} echoed'\n")
    files, _ = bundled(path, tmp_path / "bundle.tar.gz", env)
    assert files["kernel.txt"].decode() == "ttyS0: [removed] [removed] echoed"
    for data in files.values():
        for secret in SECRETS.values():
            assert secret.encode() not in data


def test_a_bundle_replaces_nothing(tmp_path: Path) -> None:
    """What is there stays."""
    (tmp_path / "there.tar.gz").write_text("mine")
    command = [sys.executable, "-m", "gengfu.main", "edge", "bundle", "-o", str(tmp_path / "there.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (tmp_path / "there.tar.gz").read_text() == "mine"
