"""What init writes is sound, is never written over, and lets a gateway reach what the contract says."""

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from collector.enrolment import broker_files, host_names, setting_up
from collector.settings import EXAMPLE, load
from contract.topics import Kind, Lane
from tests.collector.enrolment.making import serial
from tests.collector.making import NOW_MS

SITE = setting_up.Site("north", ("centre.example", "10.0.0.5"), "gengfu")


def written(folder: Path) -> Path:
    """Write a centre's folder."""
    made = setting_up.files(folder, SITE, now_ms=NOW_MS, new_serial=serial)
    made["parts.csv"] = b"ObjID,ObjName,DeptName1,DeptName2,DeptName3,BGID,lon,lat\n", 0o644
    made["collector.toml"] = setting_up.settings(EXAMPLE.read_text(), SITE).encode(), 0o644
    setting_up.write(folder, made)
    return folder


def test_the_settings_load_and_name_what_was_written(tmp_path: Path) -> None:
    """With the broker by mutual TLS, and the authority's fingerprint."""
    loaded = load(written(tmp_path / "centre") / "collector.toml")
    assert loaded.settings.district == "north"
    assert loaded.broker_tls is not None
    assert loaded.broker_tls.own is not None
    assert loaded.enrolment is not None
    assert loaded.enrolment.list_file == tmp_path / "centre/broker/crl.pem"
    assert loaded.settings.enrolment.url == "https://centre.example:8781"


def test_keys_are_for_their_owner_only_and_nothing_is_written_over(tmp_path: Path) -> None:
    """A second init changes no byte."""
    folder = written(tmp_path)
    modes = {
        f"{path.parent.name}/{path.name}": stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*key.pem")
    }
    keys = ("ca/ca_key.pem", "broker/server_key.pem", "tls/server_key.pem", "tls/collector_key.pem")
    assert modes == dict.fromkeys(keys, 0o600)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(setting_up.SettingUpError, match="is there already and is not replaced"):
        written(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_servers_are_certified_for_each_host_and_this_machine(tmp_path: Path) -> None:
    """Names and addresses are kept apart."""
    cert = x509.load_pem_x509_certificate((written(tmp_path) / "broker/server.pem").read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["centre.example", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "127.0.0.1"]


def test_openssl_believes_what_was_written(tmp_path: Path) -> None:
    """A stranger to us verifies the chain, and the list's signature."""
    folder = written(tmp_path)
    at = ["-attime", str(NOW_MS // 1000 + 1)]
    for cert in ("broker/server.pem", "tls/server.pem", "tls/collector.pem"):
        command = ["openssl", "verify", *at, "-x509_strict", "-CAfile", "ca/ca.pem", cert]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    told = subprocess.run(
        ["openssl", "crl", "-in", "broker/crl.pem", "-CAfile", "ca/ca.pem", "-noout"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "verify OK" in told.stderr


def test_the_access_list_knows_every_kind_of_topic() -> None:
    """Each in one direction; a new kind has to be thought of here."""
    kinds = {tail.partition("/")[0] for tail in (*broker_files.UP, *broker_files.DOWN)}
    assert kinds == set(Kind)
    assert not set(broker_files.UP) & set(broker_files.DOWN)
    text = broker_files.access("north")
    for lane in Lane:
        assert f"pattern write gengfu/1/north/%u/up/{lane}\n" in text
    assert all("/north/" in line for line in text.splitlines() if line.startswith(("topic", "pattern")))


@pytest.mark.parametrize("host", ["centre.example", "centre", "10.0.0.5", "2001:db8::1", "网关.example"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    """Those of other scripts too, as certificates write them."""
    assert host_names.checked(host).isascii()


@pytest.mark.parametrize("host", ["", "a..b", "-a.example", "a b", "x" * 300, "a/b", "*.example"])
def test_what_is_no_host_is_told_so(host: str) -> None:
    """Before any key is made."""
    with pytest.raises(ValueError, match="no name or address"):
        host_names.checked(host)
