"""Whom a certificate is issued to: by a one-time code, or by the certificate that another is to follow.

Each decision is one transaction with what it issues; a refusal is a value, so that it is counted as well.
"""

import logging
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy import Connection

from collector.enrolment import certificates, codes, names, requests, revoking
from collector.enrolment.authority import Authority
from collector.enrolment.certificates import DAY_MS, Origin
from collector.enrolment.codes import Judged
from collector.enrolment.revoking import Ended, Order
from collector.enrolment.settings import Enrolment
from collector.people.roles import CENTRE, Actor, Role
from contract.errors import ContractError
from contract.names import checked_name

_log = logging.getLogger(__name__)

TOLERATED_MS = 5 * 60_000
"""A certificate that begins so much later is one of a clock that was ahead."""


COVERED_MAX = 10_000
"""So many names that were revoked in this run are kept in mind."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is issued: the status of HTTP, and words that tell a stranger no more than needed."""

    status: int
    words: str
    retry_after_s: int | None = None
    learnt: str = ""
    """The gateway of which a certificate was shown that is revoked, and that no list had."""


Answer = x509.Certificate | Refused

NO_CODE = Refused(
    401, "the code is wrong, used, over or not for this gateway; have another made at the centre"
)

REVOKED = Refused(403, "the certificate is revoked; have a code made at the centre")
UNKNOWN = Refused(403, "the centre does not know the certificate; have a code made there")


class EnrolmentDesk:
    """Decides, issues, writes down."""

    def __init__(self, settings: Enrolment, district: str, authority: Authority) -> None:
        """Decide by these settings, and issue by this authority."""
        self.settings, self.district, self.authority = settings, district, authority
        self._covered_to: dict[str, int] = {}
        """Of the names revoked in this run; tables are put back between two runs."""

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
        key = self._to_certify(at_ms, gateway, body)
        if isinstance(key, Refused):
            return key
        digest = certificates.key_digest(key)
        if worth is Judged.USED:
            if row.used_key != digest or revoking.is_revoked(connection, row.used_serial):
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
        if refusal := (
            self._revoked(connection, at_ms, gateway, held)
            or self._untimely(held, at_ms)
            or self._too_many(connection, at_ms, gateway)
        ):
            return refusal
        key = self._to_certify(at_ms, gateway, body)
        if isinstance(key, Refused):
            return key
        if not certificates.is_known(connection, held):
            if not self.settings.renew_unknown:
                _log.warning("%s brings a certificate that is not known here: not renewed", gateway)
                return UNKNOWN
            self._met(connection, at_ms, gateway, held)
        is_over = certificates.milliseconds(held.not_valid_after_utc.timestamp()) < at_ms
        origin = Origin.EXPIRED if is_over else Origin.RENEWAL
        return self._issued(connection, at_ms, gateway, key, origin)

    def revoke(self, connection: Connection, actor: Actor, at_ms: int, gateway: str, reason: str) -> Ended:
        """Revoke whatever was issued to a name until now, also what these tables do not know."""
        settings = self.settings
        not_after_ms = at_ms + round(settings.certificate_valid_days * DAY_MS)
        covered_to = self._covered_to.get(gateway)
        order = Order(gateway, reason, settings.serials_revoked_ahead, not_after_ms, covered_to)
        ended = revoking.revoke(connection, self.authority, actor, at_ms, order)
        if gateway in self._covered_to or len(self._covered_to) < COVERED_MAX:
            self._covered_to[gateway] = ended.covered_to
        return ended

    def _revoked(
        self, connection: Connection, at_ms: int, gateway: str, held: x509.Certificate
    ) -> Refused | None:
        """Return the refusal of what is revoked: by its number, or by its name where it is not known."""
        if revoking.is_revoked(connection, certificates.serial_text(held.serial_number)):
            return REVOKED
        if certificates.is_known(connection, held):
            return None
        ahead = self.settings.serials_revoked_ahead
        number = certificates.next_number(connection, self.authority, gateway, held, ahead)
        if not revoking.is_revoked_by_name(connection, gateway, held, at_ms, is_next=number is not None):
            return None
        revoking.learn(connection, at_ms, gateway, held)
        _log.warning("%s shows a certificate from before it was revoked: it is on the list now", gateway)
        return replace(REVOKED, learnt=gateway)

    def _met(self, connection: Connection, at_ms: int, gateway: str, held: x509.Certificate) -> None:
        """Take what our authority has issued and the tables do not know: they were put back since."""
        _log.warning(
            "%s brings a certificate that is not known here, as after a backup was put back: it is renewed",
            gateway,
        )
        certificates.pass_over(connection, self.authority, gateway, held, self.settings.serials_revoked_ahead)
        certificates.keep(connection, CENTRE, at_ms, gateway, held, Origin.UNKNOWN)

    def _too_many(self, connection: Connection, at_ms: int, gateway: str) -> Refused | None:
        """Return the refusal of who renews without end."""
        since_ms = at_ms - DAY_MS
        if certificates.issued_since(connection, gateway, since_ms) < self.settings.renewals_per_day_max:
            return None
        return Refused(429, f"{gateway} was issued too many certificates today", retry_after_s=3600)

    def _to_certify(self, at_ms: int, gateway: str, body: bytes) -> EllipticCurvePublicKey | Refused:
        """Return the key of a request; refused is a bad one, and any while the authority is over."""
        try:
            key = requests.check(requests.decoded(body), self.district, gateway)
        except requests.RequestError as error:
            return Refused(400, str(error))
        if reason := self.authority.untimely(at_ms):
            _log.error("%s: nothing is issued; have it certified anew, and name it in ca_cert_file", reason)
            return Refused(503, f"{reason}: nothing is issued until it is certified anew", 3600)
        return key

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
            serial=certificates.new_serial(connection, self.authority, gateway),
            now_ms=at_ms,
            valid_days=self.settings.certificate_valid_days,
        )
        actor = Actor(f"gateway/{gateway}", Role.READ_ONLY)
        certificates.keep(connection, actor, at_ms, gateway, certificate, origin)
        return certificate
