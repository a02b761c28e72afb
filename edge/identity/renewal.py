"""The certificate renewed while the gateway runs; a link that is up is left alone, the next uses the new."""

import asyncio
import logging
import threading
from collections.abc import Callable
from random import Random

from cryptography import x509

from contract.samples import ClockState
from edge.buffer.keeper import Keeper, OnSpareThread
from edge.clock import Moment
from edge.identity import enrolling, est, folder, keys, trust
from edge.identity.due import Rule, is_due
from edge.identity.errors import EnrolError, IdentityError
from edge.identity.folder import IdentityFolder
from edge.identity.proving import Own
from edge.identity.request import request
from edge.identity.trust import Known
from edge.settings import Settings
from edge.telling import Told
from edge.uplink.back_off import BackOff

_log = logging.getLogger(__name__)

LOOK_S_MAX = 600.0
_ONE_AT_A_TIME = threading.Lock()


class Knowing:
    """What time it is for certificates: the clock, and that what is ours was issued before now."""

    def __init__(self, latest: Callable[[], Moment]) -> None:
        """``latest`` gives the last moment that was taken: it is asked on other threads than the clock's."""
        self._latest, self._least_ms = latest, 0

    def seen(self, certificate: x509.Certificate) -> None:
        """A certificate of an authority that is trusted: it began before now."""
        self._least_ms = max(self._least_ms, trust.validity(certificate).not_before_ms)

    @property
    def s(self) -> float:
        """Monotonic seconds, for intervals."""
        return self._latest().s

    def __call__(self) -> Known:
        """Return it."""
        now = self._latest()
        if now.clock is ClockState.UNSET:
            return Known(max(now.wall_ms, self._least_ms), is_set=False)
        return Known(now.wall_ms, is_set=True)


class Renewing:
    """Looks now and then, and renews in time; a centre that refuses or is away is asked ever more seldom."""

    def __init__(
        self,
        settings: Settings,
        files: IdentityFolder,
        knowing: Knowing,
        random: Random,
        *,
        down_s: Callable[[], float],
    ) -> None:
        """``down_s`` tells for how long the link has been down."""
        self._settings, self._files = settings, files
        self._knowing, self._down_s = knowing, down_s
        own = settings.identity
        self._rule = Rule(own.renew_at_share, own.unset_wait_s)
        self._renewed_s: float | None = None
        self._jitter = random.random()
        self._back_off = BackOff(own.retry_min_s, own.retry_max_s, random)
        self._told = Told(f"renewing the certificate at {own.centre}")
        self._holds = Told("the gateway's identity")

    async def run(self) -> None:
        """Look, and renew what is due, until cancelled."""
        keeper = OnSpareThread("identity")  # a centre, or a TPM, may take long to answer, or never do
        try:
            while True:
                await asyncio.sleep(await self._looked(keeper))
        finally:
            await keeper.close()

    async def _looked(self, keeper: Keeper) -> float:
        """Look once, and return when to look again."""
        try:
            if await keeper.run(self.look):
                self._told.works()
        except (EnrolError, IdentityError, OSError, ValueError) as error:  # control goes on, whatever it is
            self._told.failed(str(error))
            self._back_off.ended(failed=True)
            return self._back_off.wait_s()
        self._back_off.ended(failed=False)
        return min(LOOK_S_MAX, self._rule.unset_wait_s)

    def look(self) -> bool:
        """Renew the certificate if it is due, and say whether it was; EnrolError, IdentityError, OSError.

        It is due by what ends first of it and of all by which it is certified.
        """
        with _ONE_AT_A_TIME:  # a life that has ended may have left one behind
            return self._look()

    def _look(self) -> bool:
        enrolling.recover(self._files)
        held, trusted = (enrolling.certificates(each) for each in (self._files.certificate, self._files.ca))
        self._knowing.seen(held[0])
        chain = enrolling.path(held[0], [*held, *trusted])
        self._tell(chain)
        whole = trust.of_chain(chain)
        if not self._is_due(whole):
            return False
        key = keys.read(self._files.key, self._settings.identity)
        tls = trust.context(enrolling.pem(trusted), self._knowing)
        centre = est.Centre.at(self._settings.identity.centre)
        settings = self._settings
        asked = request(key, settings.district, settings.gateway)  # before a TPM has the key twice
        Own(self._files.certificate, self._files.key, settings.identity).given(tls)
        trusted = self._authorities(centre, tls, trusted)
        if not self._is_due(trust.validity(held[0])):
            self._must_help(centre, trusted, whole)
        made = centre.renewed(tls, asked)
        enrolling.checked(made, key, settings, trusted)
        enrolling.keep(self._files, made, trusted)
        self._knowing.seen(made)
        self._renewed_s = self._knowing.s
        _log.warning(
            "the certificate was renewed: it holds until %s UTC", f"{made.not_valid_after_utc:%Y-%m-%d %H:%M}"
        )
        return True

    def _is_due(self, validity: trust.Validity) -> bool:
        return is_due(validity, self._knowing(), self._rule, self._jitter, down_s=self._down_for_s())

    def _tell(self, chain: list[x509.Certificate]) -> None:
        """Tell the log, once, what of the identity does not hold: the broker will not take it."""
        if wrong := trust.reasons(chain, self._knowing()):
            self._holds.failed(wrong[0])
        else:
            self._holds.works()

    def _must_help(self, centre: est.Centre, trusted: list[x509.Certificate], whole: trust.Validity) -> None:
        """EnrolError where another certificate would not hold for longer: its authority ends as early."""
        ends = trust.first_to_end(enrolling.path(trusted[0], trusted))
        if trust.validity(ends).not_after_ms <= whole.not_after_ms:
            raise EnrolError(
                f"{centre.url}: the certificate of {trust.shown(ends)} ends on "
                f"{ends.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and the centre has none that ends later; "
                "its authority has to be certified anew (ca_cert_file)"
            )

    def _authorities(
        self, centre: est.Centre, tls: trust.TimedContext, trusted: list[x509.Certificate]
    ) -> list[x509.Certificate]:
        """Return the chain to the root that is trusted as the centre has it now: it may be certified anew.

        Those of before that have another key stay while they hold: servers may still be certified by them.
        """
        offered = centre.certificates(tls)
        root = trusted[-1]
        chain = enrolling.chain_to(root, offered)
        if len(chain) == 1 and root not in offered:
            return trusted  # a centre of another maker that does not name the chain
        keys = [each.public_key() for each in chain]
        now = self._knowing()
        former = [each for each in trusted[:-1] if each.public_key() not in keys]
        former = [each for each in former if not trust.untimely(trust.validity(each), now)]
        chain[-1:-1] = former[: enrolling.CHAIN_MAX]
        if chain != trusted:
            folder.replace(self._files.ca, enrolling.pem(chain), folder.PUBLIC)
        return chain

    def _down_for_s(self) -> float:
        """Return for how long the link has been down, as a reason to renew.

        What was renewed just now is good: a link that stays down all the same is no reason to renew again and
        again, but once in ``retry_max_s``.
        """
        down_s = self._down_s()
        if self._renewed_s is None:
            return down_s
        since_s = self._knowing.s - self._renewed_s
        return down_s if since_s >= self._settings.identity.retry_max_s else 0.0
