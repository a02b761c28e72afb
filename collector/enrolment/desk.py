"""Whom a certificate is issued to: by a one-time code, or by the certificate that another is to follow.

Each decision is one transaction with what it issues; a refusal is a value, so that it is counted as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy import Connection

from collector.enrolment import certificates, codes, names, requests
from collector.enrolment.authority import Authority
from collector.enrolment.certificates import DAY_MS, Origin
from collector.enrolment.codes import Judged
from collector.enrolment.settings import Enrolment
from collector.people.roles import Actor, Role
from contract.errors import ContractError
from contract.names import checked_name

TOLERATED_MS = 5 * 60_000
"""A certificate that begins so much later is one of a clock that was ahead."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is issued: the status of HTTP, and words that tell a stranger no more than needed."""

    status: int
    words: str
    retry_after_s: int | None = None


Answer = x509.Certificate | Refused

NO_CODE = Refused(
    401, "the code is wrong, used, over or not for this gateway; have another made at the centre"
)


class EnrolmentDesk:
    """Decides, issues, writes down."""

    def __init__(
        self, settings: Enrolment, district: str, authority: Authority, *, new_serial: Callable[[], int]
    ) -> None:
        """``new_serial`` gives random positive numbers of up to 159 bits."""
        self.settings, self.district, self.authority = settings, district, authority
        self._new_serial = new_serial

    def enrol(self, connection: Connection, at_ms: int, gateway: str, code: str, body: bytes) -> Answer:
        """Answer a simpleenroll by a code.

        The same code with the same key again is answered with the same certificate: the answer was lost.
        """
        try:
            checked_name(gateway, "gateway")
        except ContractError:
            return NO_CODE
        row = codes.found(connection, gateway)
        worth = codes.judged(row, code, at_ms, self.settings.code_tries_max)
        if row is None or worth not in (Judged.GOOD, Judged.USED):
            if row is not None and worth is Judged.UNKNOWN:
                codes.refuse(connection, row)
            return NO_CODE
        try:
            key = requests.check(requests.decoded(body), self.district, gateway)
        except requests.RequestError as error:
            return Refused(400, str(error))
        digest = certificates.key_digest(key)
        if worth is Judged.USED:
            if row.used_key != digest or certificates.is_revoked(connection, row.used_serial):
                return NO_CODE
            return certificates.by_serial(connection, row.used_serial) or NO_CODE
        certificate = self._issued(connection, at_ms, gateway, key, Origin.CODE)
        serial = certificates.serial_text(certificate.serial_number)
        codes.use(connection, row, at_ms, digest, serial)
        return certificate

    def renew(self, connection: Connection, at_ms: int, held: x509.Certificate, body: bytes) -> Answer:
        """Answer a simplereenroll by ``held``, whose chain and key TLS has verified, but not its time."""
        try:
            gateway = names.gateway_of(held, self.district)
        except (names.NotAGatewayError, ValueError) as error:
            return Refused(403, str(error)[:200])
        if certificates.is_revoked(connection, certificates.serial_text(held.serial_number)):
            return Refused(403, "the certificate is revoked; have a code made at the centre")
        if refusal := self._untimely(held, at_ms):
            return refusal
        since_ms = at_ms - DAY_MS
        if certificates.issued_since(connection, gateway, since_ms) >= self.settings.renewals_per_day_max:
            return Refused(429, f"{gateway} was issued too many certificates today", retry_after_s=3600)
        try:
            key = requests.check(requests.decoded(body), self.district, gateway)
        except requests.RequestError as error:
            return Refused(400, str(error))
        is_over = certificates.milliseconds(held.not_valid_after_utc.timestamp()) < at_ms
        origin = Origin.EXPIRED if is_over else Origin.RENEWAL
        return self._issued(connection, at_ms, gateway, key, origin)

    def _untimely(self, held: x509.Certificate, at_ms: int) -> Refused | None:
        """Return why a certificate is too early or too long over, if it is."""
        begins_ms = certificates.milliseconds(held.not_valid_before_utc.timestamp())
        over_ms = at_ms - certificates.milliseconds(held.not_valid_after_utc.timestamp())
        if begins_ms > at_ms + TOLERATED_MS:
            return Refused(403, "the certificate is not valid yet; the clock of the centre may be late")
        days_max = self.settings.expired_renewal_days_max
        if over_ms > days_max * DAY_MS:
            return Refused(
                403,
                f"the certificate has been over for {over_ms / DAY_MS:.0f} days, {days_max:g} at most; "
                "have a code made at the centre",
            )
        return None

    def _issued(
        self,
        connection: Connection,
        at_ms: int,
        gateway: str,
        key: EllipticCurvePublicKey,
        origin: Origin,
    ) -> x509.Certificate:
        certificate = self.authority.gateway(
            self.district,
            gateway,
            key,
            serial=self._new_serial(),
            now_ms=at_ms,
            valid_days=self.settings.certificate_valid_days,
        )
        actor = Actor(f"gateway/{gateway}", Role.READ_ONLY)
        certificates.keep(connection, actor, at_ms, gateway, certificate, origin)
        return certificate
