"""Users and tokens from the command line: offline on the data folder, then at a running centre over TLS."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from gengfu import token_file
from gengfu.commands import audit, collector, lamps, tokens, users

PASSWORD = "tram heron velvet 9 pier\n"
SETTINGS = """schema = 1
district = "north"
[broker]
host = "127.0.0.1"
port = 1
[http]
port = 0
{http}
[people]
argon2_memory_kib = 7168
argon2_passes = 1
argon2_lanes = 1
"""


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def gengfu(*arguments: str, given: str = "", **environment: str) -> Told:
    """Run the command in this process; without a token of whoever runs the tests."""
    whole = typer.Typer(add_completion=False, rich_markup_mode=None)
    centre = typer.Typer()
    centre.registered_commands = collector.app.registered_commands
    centre.add_typer(users.app, name="users")
    for name, group in (("collector", centre), ("tokens", tokens.app), ("audit", audit.app)):
        whole.add_typer(group, name=name)
    whole.add_typer(lamps.app, name="lamps")
    told: dict[str, str | None] = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": None, "COLUMNS": "80"}
    told |= {name: None for name in os.environ if name.startswith(("GENGFU_", "LC_", "LANG"))}
    result = CliRunner().invoke(whole, list(arguments), input=given, env=told | environment)
    raised = "" if isinstance(result.exception, SystemExit | None) else str(result.exception)
    return Told(result.exit_code, result.stdout, result.stderr + raised)


def certified(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "centre")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key_file.chmod(0o600)
    return cert_file, key_file


def settled(folder: Path, http: str = "") -> str:
    """Write settings and return their path."""
    path = folder / "collector.toml"
    path.write_text(SETTINGS.format(http=http))
    return str(path)


@contextmanager
def at_work(settings: str) -> Iterator[str]:
    """Run a centre and give its URL."""
    command = [sys.executable, "-m", "gengfu.main", "collector", "run", "--settings", settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield json.loads(line)["url"]
        finally:
            process.terminate()
            assert process.wait(20) == 0


def add(settings: str, name: str, role: str, given: str = PASSWORD) -> Told:
    """Add a user offline."""
    return gengfu("collector", "users", "add", name, "--role", role, "--settings", settings, given=given)


def test_users_are_kept_on_the_data_folder_while_no_centre_runs(tmp_path: Path) -> None:
    """With the same words as over the interface; the password comes from the input and is shown nowhere."""
    settings = settled(tmp_path)
    refused = add(settings, "lee", "technician")
    assert (refused.returncode, "must be an administrator" in refused.stderr) == (1, True)
    weak = add(settings, "boss", "administrator", "password1234\n")
    assert (weak.returncode, "guessed first" in weak.stderr) == (1, True)
    assert add(settings, "boss", "administrator").stdout == "boss: added as administrator\n"
    assert add(settings, "lee", "technician").returncode == 0
    where = ("--settings", settings)
    assert gengfu("collector", "users", "role", "lee", "command", *where).returncode == 0
    assert gengfu("collector", "users", "disable", "lee", *where).returncode == 0
    listed = json.loads(gengfu("collector", "users", "list", "--json", *where).stdout)
    assert [(it["name"], it["role"], it["disabled"]) for it in listed] == [
        ("boss", "administrator", False),
        ("lee", "command", True),
    ]
    table = gengfu("collector", "users", "list", *where, LANG="zh_CN.UTF-8").stdout
    assert "指挥 (停用)" in table or "指挥（停用）" in table
    last = gengfu("collector", "users", "remove", "boss", *where)
    assert (last.returncode, "last administrator" in last.stderr) == (1, True)
    assert gengfu("collector", "users", "remove", "lee", *where).returncode == 0
    trail = gengfu("audit", "list", "--json", *where)
    assert [it["action"] for it in json.loads(trail.stdout)] == [
        "user.remove",
        "user.change",
        "user.change",
        "user.add",
        "user.add",
    ]
    assert "user/lee" in gengfu("audit", "list", "--action", "user", *where).stdout
    assert PASSWORD.strip().encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "data").iterdir()
    )


def test_a_running_centre_is_asked_over_tls_with_a_token_of_a_file(tmp_path: Path) -> None:
    """Without one, with one that may not, with one that others may read: told what to do."""
    cert, key = certified(tmp_path)
    settings = settled(tmp_path, f'tls_cert_file = "{cert.name}"\ntls_key_file = "{key.name}"')
    assert add(settings, "boss", "administrator").returncode == 0
    token = tmp_path / "tokens" / "admin"
    where = ("--settings", settings)
    make = ("tokens", "create", "admin", "--role", "administrator", "--user", "boss", "--to", str(token))
    made = gengfu(*make, *where)
    assert (made.returncode, made.stdout) == (0, f"admin: administrator, in {token}\n")
    assert token.stat().st_mode & 0o777 == 0o600
    assert gengfu(*make, *where).returncode == 1, "a file that is there is not replaced"
    with at_work(settings) as url:
        assert url.startswith("https://127.0.0.1:")
        ca = {"GENGFU_CA_FILE": str(cert)}
        mine = ca | {"GENGFU_TOKEN_FILE": str(token)}
        offline = gengfu("collector", "users", "list", *where)
        assert (offline.returncode, "in use by another collector" in offline.stderr) == (1, True)
        list_users = ("collector", "users", "list", "--url", url)
        untrusted = gengfu(*list_users)
        assert (untrusted.returncode, "does not answer" in untrusted.stderr) == (1, True)
        stranger = gengfu(*list_users, **ca)
        assert (stranger.returncode, "GENGFU_TOKEN_FILE" in stranger.stderr) == (1, True)
        assert gengfu(*list_users, **mine).returncode == 0
        small = gengfu("tokens", "create", "wall", "--role", "read_only", "--url", url, **mine)
        reading = tmp_path / "wall"
        reading.write_text(small.stdout)
        reading.chmod(0o644)
        theirs = ca | {"GENGFU_TOKEN_FILE": str(reading)}
        loose = gengfu(*list_users, **theirs)
        assert (loose.returncode, "has mode 0644" in loose.stderr) == (1, True)
        reading.chmod(0o600)
        forbidden = gengfu(*list_users, **theirs)
        assert forbidden.returncode == 1
        assert "does not allow it" in forbidden.stderr
        assert "program/wall is read_only; this is for administrator" in forbidden.stderr
        report = gengfu("lamps", "report", "--month", "2026-11", "--url", url, **ca)
        assert (report.returncode, "GENGFU_TOKEN_FILE" in report.stderr) == (1, True)
        assert gengfu("tokens", "revoke", "wall", "--url", url, **mine).returncode == 0
        over_tls(url, cert)


def over_tls(url: str, cert: Path) -> None:
    """What a browser is told."""
    import ssl

    with httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=cert)) as client:
        answer = client.post("/api/v1/session", json={"name": "boss", "password": PASSWORD.strip()})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-gengfu_session=")
        assert "Secure" in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/api/v1/gateways").status_code == 200


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("mode", "key.pem has mode 0644, so others may read the key"),
        ("other", "cert.pem and key.pem cannot be used together: key values mismatch"),
        ("text", "cert.pem and key.pem cannot be used together"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_before_anything_starts(
    spoil: str, said: str, tmp_path: Path
) -> None:
    """With file, line, key and remedy."""
    cert, key = certified(tmp_path)
    settings = settled(tmp_path, f'tls_cert_file = "{cert.name}"\ntls_key_file = "{key.name}"')
    assert gengfu("collector", "check", settings).returncode == 0
    if spoil == "mode":
        key.chmod(0o644)
    elif spoil == "other":
        kept = cert.read_bytes()
        certified(tmp_path)
        cert.write_bytes(kept)
    else:
        cert.write_text("no certificate")
    checked = gengfu("collector", "check", settings)
    assert (checked.returncode, said in checked.stderr) == (1, True), checked.stderr


def test_other_machines_are_not_served_before_there_are_users(tmp_path: Path) -> None:
    """127.0.0.2 is not this machine's usual name, and stands for another here."""
    settings = settled(tmp_path, 'host = "127.0.0.2"\nbehind_proxy = true')
    command = ("collector", "run", "--settings", settings)
    refused = gengfu(*command)
    assert (refused.returncode, "there are no users yet" in refused.stderr) == (1, True)
    assert add(settings, "boss", "administrator").returncode == 0
    with at_work(settings) as url:
        assert httpx.get(f"{url}/api/v1/gateways").status_code == 401
        body = {"name": "boss", "password": PASSWORD.strip()}
        told = httpx.post(f"{url}/api/v1/session", json=body, headers={"X-Forwarded-For": "192.0.2.9"})
        assert told.headers["set-cookie"].startswith("__Host-gengfu_session=")


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://centre.example", True),
        ("http://127.0.0.1:8780", True),
        ("http://[::1]:8780", True),
        ("http://localhost:8780", True),
        ("http://centre.example", False),
        ("http://10.0.0.5:8780", False),
    ],
)
def test_a_token_goes_over_no_open_network(url: str, is_sent: bool, tmp_path: Path) -> None:
    """Everybody on the way could read it."""
    path = token_file.default({"XDG_CONFIG_HOME": str(tmp_path)})
    assert token_file.headers(url, {"XDG_CONFIG_HOME": str(tmp_path)}) == {}
    path.parent.mkdir()
    path.write_text("gengfu_x\n")
    path.chmod(0o600)
    if is_sent:
        told = token_file.headers(url, {"XDG_CONFIG_HOME": str(tmp_path)})
        assert told == {"Authorization": "Bearer gengfu_x"}
    else:
        with pytest.raises(token_file.TokenFileError, match="everybody on the way"):
            token_file.headers(url, {"XDG_CONFIG_HOME": str(tmp_path)})
