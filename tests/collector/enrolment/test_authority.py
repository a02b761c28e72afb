"""What is issued can be traced, ends in time and is for one purpose; the authority's files are looked at."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from collector.enrolment import authority_files, names
from collector.enrolment.authority import Authority, KeySigner, Revoked, fingerprint, root
from collector.enrolment.desk import Refused
from collector.tls_files import TlsFileError
from tests.collector.enrolment.making import DAY_MS, authority, bench, new_key, request, serial
from tests.collector.making import NOW_MS


def test_a_server_is_verified_by_the_root_for_each_of_its_names() -> None:
    """By a verifier that is not ours."""
    made, key = authority(), new_key()
    leaf = made.server(
        ("centre.example", "10.0.0.5"), key.public_key(), serial=serial(), now_ms=NOW_MS, valid_days=300
    )
    policy = PolicyBuilder().store(Store([made.issuer])).time(leaf.not_valid_before_utc + timedelta(days=1))
    policy.build_server_verifier(x509.DNSName("centre.example")).verify(leaf, [])
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("other.example")).verify(leaf, [])


def test_a_gateways_certificate_names_it_and_is_for_clients_only() -> None:
    """Its name and district can be read back; nobody serves by it, nobody issues by it."""
    made = authority()
    leaf = made.gateway(
        "north", "gw-1", new_key().public_key(), serial=serial(), now_ms=NOW_MS, valid_days=90
    )
    assert names.gateway_of(leaf, "north") == "gw-1"
    with pytest.raises(names.NotAGatewayError):
        names.gateway_of(leaf, "south")
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nothing_outlives_its_issuer() -> None:
    """A chain holds as long as its shortest."""
    made = authority(valid_days=10)
    leaf = made.gateway("north", "gw-1", new_key().public_key(), serial=1, now_ms=NOW_MS, valid_days=90)
    assert leaf.not_valid_after_utc == made.issuer.not_valid_after_utc


def test_the_list_names_what_is_revoked_and_is_signed() -> None:
    """And says when the next one is due."""
    made = authority()
    told = made.revocations([Revoked(77, NOW_MS)], number=5, now_ms=NOW_MS, valid_days=180)
    assert told.is_signature_valid(made.issuer.public_key())  # type: ignore[arg-type]
    assert [each.serial_number for each in told] == [77]
    assert told.next_update_utc is not None


def test_a_full_list_names_all_that_it_holds_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entries are given whole: to add them one by one copies all that are there, each time."""
    monkeypatch.delattr(x509.CertificateRevocationListBuilder, "add_revoked_certificate")
    made = authority()
    revoked = [Revoked(serial, NOW_MS - serial * 1000) for serial in range(1, 1001)]
    told = made.revocations(revoked, number=5, now_ms=NOW_MS, valid_days=180)
    assert [
        Revoked(each.serial_number, round(each.revocation_date_utc.timestamp() * 1000)) for each in told
    ] == revoked


def outside(folder: Path, valid_days: float = 9000) -> tuple[Authority, Authority]:
    """Return an outside root, which ends after so many days, and an issuing authority below it."""
    above = root(
        "outside", key := new_key(), serial=serial(), now_ms=NOW_MS - DAY_MS, valid_days=valid_days + 1
    )
    issuing_key = new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Issuing")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.issuer.subject)
        .public_key(issuing_key.public_key())
        .serial_number(serial())
        .not_valid_before(above.issuer.not_valid_before_utc)
        .not_valid_after(above.issuer.not_valid_after_utc + timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    issuing = KeySigner(key).certificate(builder)
    made = Authority((issuing, above.issuer), KeySigner(issuing_key))
    (folder / "chain.pem").write_bytes(made.pem)
    authority_files.write_new(folder / "key.pem", authority_files.key_pem(issuing_key), 0o600)
    return above, made


def test_an_outside_authority_issues_by_its_chain(tmp_path: Path) -> None:
    """Issuing certificate first, root last; gateways are told to trust the root."""
    above, _ = outside(tmp_path)
    told = authority_files.read(tmp_path / "chain.pem", tmp_path / "key.pem")
    assert told.fingerprint == fingerprint(above.issuer)
    leaf = told.gateway("north", "gw-1", new_key().public_key(), serial=9, now_ms=NOW_MS, valid_days=9)
    leaf.verify_directly_issued_by(told.issuer)


def test_nothing_holds_for_longer_than_what_ends_first_in_the_chain(tmp_path: Path) -> None:
    """Not only than the issuing certificate: its root ends in 20 days here, before it."""
    above, _ = outside(tmp_path, valid_days=20)
    told = authority_files.read(tmp_path / "chain.pem", tmp_path / "key.pem")
    leaf = told.gateway("north", "gw-1", new_key().public_key(), serial=9, now_ms=NOW_MS, valid_days=90)
    assert leaf.not_valid_after_utc == above.issuer.not_valid_after_utc
    assert told.untimely(NOW_MS) == ""
    assert "Gengfu CA outside is over since" in told.untimely(NOW_MS + 21 * DAY_MS)
    assert "begins on" in told.untimely(NOW_MS - 2 * DAY_MS)


@pytest.mark.parametrize("days", [19, 21])
def test_a_centre_whose_authority_is_over_issues_nothing_and_says_why(tmp_path: Path, days: int) -> None:
    """To who enrols and who renews; the code is as good as before."""
    _, made = outside(tmp_path, valid_days=20)
    with bench(tmp_path, by=made) as desk:
        held = desk.enrol(desk.code(), request(new_key()))
        assert isinstance(held, x509.Certificate)
        desk.now_ms += days * DAY_MS
        code = desk.code()
        for answer in (desk.renew(held, request(new_key())), desk.enrol(code, request(new_key()))):
            if days < 20:
                assert isinstance(answer, x509.Certificate)
            else:
                assert isinstance(answer, Refused)
                assert answer.status == 503
                assert "is over since" in answer.words


def test_files_that_are_no_authority_are_told_by_their_key(tmp_path: Path) -> None:
    """A key that others may read, that is another's, a chain in the wrong order, a leaf."""
    above, made = outside(tmp_path)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    key.chmod(0o640)
    assert told(chain, key) == ("ca_key_file", "has mode 0640")
    key.chmod(0o600)
    chain.write_bytes(made.chain[1].public_bytes(Encoding.PEM) + made.chain[0].public_bytes(Encoding.PEM))
    assert told(chain, key) == ("ca_cert_file", "is not issued by what follows it")
    chain.write_bytes(above.pem)
    assert told(chain, key) == ("ca_key_file", "is not the key of the first certificate")
    leaf = made.client("x", new_key().public_key(), serial=4, now_ms=NOW_MS, valid_days=3)
    chain.write_bytes(leaf.public_bytes(Encoding.PEM) + made.pem)
    assert told(chain, key) == ("ca_cert_file", "may not issue certificates")
    chain.write_text("nothing")
    assert told(chain, key) == ("ca_cert_file", "holds no certificates")
    chain.unlink()
    assert told(chain, key) == ("ca_cert_file", "no such file")


def told(chain: Path, key: Path) -> tuple[str, str]:
    """Return which key of the settings is told, and the part of the reason that is known."""
    with pytest.raises(TlsFileError) as caught:
        authority_files.read(chain, key)
    known = (
        "has mode 0640",
        "is not issued by what follows it",
        "is not the key of the first certificate",
        "may not issue certificates",
        "holds no certificates",
        "no such file",
    )
    return caught.value.which, next(each for each in known if each in str(caught.value))
