"""The authority that issues: its own root, or the issuing certificate of an outside one. Pure, time given."""

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.enrolment import names

BACKDATED_S = 300
"""Certificates begin so long ago: who checks them may have a clock that is late."""
SERIAL_BITS = 159
SHORT_SERIAL_BITS = 63
"""Of what lives for half an hour; by it nobody keeps in mind that it was revoked."""
REVOKED_MAX = 100_000


class Signer(Protocol):
    """What signs certificates and lists of revoked ones: a key in a file here, a module elsewhere."""

    def certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate."""

    def revocations(self, builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationList:
        """Sign a list of revoked certificates."""

    @property
    def serial_secret(self) -> bytes:
        """32 bytes by which serial numbers are made: the same for as long as the key is, told to nobody."""


@dataclass(frozen=True)
class KeySigner:
    """Signs with a key that is in memory."""

    key: CertificateIssuerPrivateKeyTypes

    def certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """See Signer."""
        return builder.sign(self.key, SHA256())

    def revocations(self, builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationList:
        """See Signer."""
        return builder.sign(self.key, SHA256())

    @cached_property
    def serial_secret(self) -> bytes:
        """See Signer."""
        secret = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return HKDF(SHA256(), 32, salt=None, info=b"gengfu serial numbers").derive(secret)


@dataclass(frozen=True)
class Revoked:
    """One revoked certificate, and when."""

    serial: int
    revoked_ms: int


@dataclass(frozen=True)
class Authority:
    """``chain`` begins with the issuing certificate and ends with the root that gateways trust."""

    chain: tuple[x509.Certificate, ...]
    signer: Signer

    @property
    def issuer(self) -> x509.Certificate:
        """The issuing certificate."""
        return self.chain[0]

    @property
    def first_to_end(self) -> x509.Certificate:
        """What of the chain ends first: nothing that is issued holds for longer."""
        return min(self.chain, key=lambda each: each.not_valid_after_utc)

    def untimely(self, now_ms: int) -> str:
        """Return what of the chain does not hold now, and why, or nothing."""
        for each in self.chain:
            if each.not_valid_after_utc < _moment(now_ms):
                reason = f"is over since {each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            elif each.not_valid_before_utc > _moment(now_ms):
                reason = f"begins on {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            else:
                continue
            return f"the certificate of the authority {each.subject.rfc4514_string()[:200]} {reason}"
        return ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root, in hexadecimal: what a gateway is told to trust."""
        return fingerprint(self.chain[-1])

    @property
    def pem(self) -> bytes:
        """The chain, as a file of trusted certificates."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)

    def serial(self, gateway: str, number: int) -> int:
        """Return the serial number of a gateway's certificate, ``number`` from 0.

        As good as random to who has not the key, and who has it can say again which were given to a name:
        that is how what no table knows any more gets on a list.
        """
        told = hmac.digest(self.signer.serial_secret, f"{gateway} {number}".encode(), "sha256")
        return int.from_bytes(told, "big") >> (256 - SERIAL_BITS) | 1 << (SERIAL_BITS - 1)

    def gateway(
        self,
        district: str,
        gateway: str,
        key: CertificatePublicKeyTypes,
        *,
        serial: int,
        now_ms: int,
        valid_days: float,
    ) -> x509.Certificate:
        """Issue a gateway's certificate."""
        alternative = x509.UniformResourceIdentifier(names.uri(district, gateway))
        return self._issued(
            gateway, key, [alternative], serial, now_ms, valid_days, ExtendedKeyUsageOID.CLIENT_AUTH
        )

    def client(
        self, name: str, key: CertificatePublicKeyTypes, *, serial: int, now_ms: int, valid_days: float
    ) -> x509.Certificate:
        """Issue a certificate for what is no gateway: the centre itself, or a probe."""
        return self._issued(name, key, [], serial, now_ms, valid_days, ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(
        self,
        hosts: tuple[str, ...],
        key: CertificatePublicKeyTypes,
        *,
        serial: int,
        now_ms: int,
        valid_days: float,
    ) -> x509.Certificate:
        """Issue a server's certificate for these names and addresses."""
        alternatives = [_general_name(host) for host in hosts]
        return self._issued(
            hosts[0][:64], key, alternatives, serial, now_ms, valid_days, ExtendedKeyUsageOID.SERVER_AUTH
        )

    def revocations(
        self, revoked: list[Revoked], *, number: int, now_ms: int, valid_days: float
    ) -> x509.CertificateRevocationList:
        """Return the signed list; ``number`` rises with each."""
        entries = [
            x509.RevokedCertificateBuilder()
            .serial_number(each.serial)
            .revocation_date(_moment(each.revoked_ms))
            .build()
            for each in revoked[:REVOKED_MAX]
        ]
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=entries)  # to add one copies all
            .issuer_name(self.issuer.subject)
            .last_update(_moment(now_ms) - timedelta(seconds=BACKDATED_S))
            .next_update(_moment(now_ms) + timedelta(days=valid_days))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_authority_key(self.issuer), critical=False)
        )
        return self.signer.revocations(builder)

    def _issued(
        self,
        name: str,
        key: CertificatePublicKeyTypes,
        alternatives: list[x509.GeneralName],
        serial: int,
        now_ms: int,
        valid_days: float,
        purpose: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        ends = min(_moment(now_ms) + timedelta(days=valid_days), self.first_to_end.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(name))
            .issuer_name(self.issuer.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(_moment(now_ms) - timedelta(seconds=BACKDATED_S))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(_authority_key(self.issuer), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return self.signer.certificate(builder)


def root(
    district: str, key: ec.EllipticCurvePrivateKey, *, serial: int, now_ms: int, valid_days: float
) -> Authority:
    """Make an authority of one's own: a root that signs gateways itself."""
    name, public = _subject(f"Gengfu CA {district}"), key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(_moment(now_ms) - timedelta(seconds=BACKDATED_S))
        .not_valid_after(_moment(now_ms) + timedelta(days=valid_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signature=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return Authority((builder.sign(key, SHA256()),), KeySigner(key))


def fingerprint(certificate: x509.Certificate) -> str:
    """Return its SHA-256 in hexadecimal, as ``openssl x509 -fingerprint -sha256`` tells it, no colons."""
    return certificate.fingerprint(SHA256()).hex()


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signature: bool) -> x509.KeyUsage:
    """A leaf signs, an authority signs certificates and lists."""
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signature,
        crl_sign=not signature,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        told = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(
            issuer.public_key()  # type: ignore[arg-type]  # what signs certificates is no exchange key
        )
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(told)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC)
