"""What is revoked is told to the broker, and the live session of the revoked is cut, within seconds.

mosquitto takes a new list of revoked certificates on SIGHUP, for new connections; a session that lives goes
on. So: the list is written, the broker told; a certificate that was revoked in the same list is tried until
the broker refuses it, which proves that the list holds; then the gateway's session is taken over and ended.
"""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database
from collector.enrolment import authority_files, certificates, names, revoking
from collector.enrolment.authority import SHORT_SERIAL_BITS, Authority, Revoked
from collector.enrolment.certificates import DAY_MS
from collector.enrolment.settings import Enrolment
from collector.world import World

_log = logging.getLogger(__name__)

SHORT_LIVED_DAYS = 1 / 48
"""Half an hour: for what asks the broker, and for what takes a session over."""
PROBE_PAUSE_S = 0.2
PROBE_PATIENCE_S = 1.0
RETRY_S = 60.0
RECALLED_MS = DAY_MS
"""Who was revoked so long ago at most may still be connected after a start."""
OWED_MAX = 1000
HOUR_MS = 3_600_000
PROGRAM = "mosquitto"


class CutError(RuntimeError):
    """The broker cannot be told; the text says why."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of a revocation at the broker; ``problem`` is empty where the session is certainly gone."""

    listed: bool
    refused_after_s: float | None = None
    """Since the order; None: nobody knows whether the broker refuses what is revoked."""
    ended_after_s: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class BrokerSide:
    """How the broker is reached and told."""

    host: str
    port: int
    tls: Callable[[], ssl.SSLContext]
    """Makes a context that trusts the broker's certificate, without one of our own."""
    take_over: Callable[[ssl.SSLContext, str], Awaitable[None]]
    """Connects as a gateway and says goodbye; what had its session is cut. OSError where it cannot."""


class Cutting:
    """Keeps the list in step with the tables, and cuts whom it names."""

    def __init__(
        self,
        settings: Enrolment,
        district: str,
        authority: Authority,
        state: Database,
        world: World,
        *,
        list_file: Path | None,
        pid_file: Path | None,
        broker: BrokerSide | None,
    ) -> None:
        """``list_file`` None: nobody is told; ``broker`` None: it is reached without TLS."""
        self._settings, self._district, self._authority = settings, district, authority
        self._state, self._world = state, world
        self._list_file, self._pid_file, self._broker = list_file, pid_file, broker
        self._lock = asyncio.Lock()
        self._owed: set[str] = set()
        """Who is revoked, and perhaps connected."""
        self._written: x509.CertificateRevocationList | None = None
        """The list as it was written last; None: not yet."""

    async def run(self) -> None:
        """Renew the list long before it is over, until cancelled: a broker takes nobody by one that is."""
        if self._list_file is None:
            return
        renew_s, recalled = 0.0, False
        while True:
            try:
                recalled &= (holds := self._holds())
                if self._world.monotonic_s() >= renew_s or not (holds and recalled):
                    self._look_at_chain()
                    await self._renewed()
                    if not recalled:
                        await self._recall()
                        recalled = True
                    renew_s = self._world.monotonic_s() + self._settings.crl_renew_h * 3600
            except (CutError, OSError, SQLAlchemyError) as error:
                _log.error("the list of revoked certificates is not renewed: %s", error)
            for gateway in sorted(self._owed):
                await self.cut(gateway)
            await asyncio.sleep(RETRY_S)

    def _look_at_chain(self) -> None:
        """Tell where the authority, or one above it, ends before what is issued now would."""
        now_ms = self._world.now_ms()
        if reason := self._authority.untimely(now_ms):
            _log.error("%s: no gateway is certified, and the broker takes none", reason)
            return
        first = self._authority.first_to_end
        left_days = (first.not_valid_after_utc.timestamp() * 1000 - now_ms) / DAY_MS
        if left_days < self._settings.certificate_valid_days:
            _log.warning(
                "the certificate of the authority %s ends in %.0f days, and so does all it issues: have it "
                "certified anew, and name it in ca_cert_file",
                first.subject.rfc4514_string()[:200],
                left_days,
            )

    def _holds(self) -> bool:
        """Say whether the list that was written holds by this clock, which may have been wrong then."""
        if self._written is None:
            return False
        settings, now_ms = self._settings, self._world.now_ms()
        margin_ms = (settings.crl_valid_days * DAY_MS - settings.crl_renew_h * HOUR_MS) / 2
        begins, ends = self._written.last_update_utc, self._written.next_update_utc
        assert ends is not None  # noqa: S101 - we gave it one
        return begins.timestamp() * 1000 <= now_ms < ends.timestamp() * 1000 - margin_ms

    async def _recall(self) -> None:
        """After a start, cut whom this centre, when it ended, may not have cut any more.

        Again where the clock was wrong: who was revoked shortly before was looked up by it.
        """
        since_ms = self._world.now_ms() - RECALLED_MS
        self._owed |= await self._state.read(lambda db: revoking.without(db, since_ms, OWED_MAX))

    async def cut(self, gateway: str) -> Cut:
        """Tell the broker what the tables revoke, and end the gateway's session there."""
        began_s = self._world.monotonic_s()
        if self._list_file is None:
            return Cut(listed=False, problem="crl_file is not set in [enrolment]: no broker is told")
        refused_s: float | None = None
        listed = False
        self._owed.discard(gateway)  # before: what is owed meanwhile is for the next look
        try:
            async with asyncio.timeout(self._settings.cut_off_timeout_s), self._lock:
                probe = self._short_lived(names.probe_name(self._district))
                await self._write([Revoked(probe.serial, self._world.now_ms())])
                listed = True
                if self._broker is None:
                    raise CutError("[broker] has no TLS: whoever reaches the broker is let in")
                await self._tell()
                await self._refused(self._broker, probe)
                refused_s = self._world.monotonic_s() - began_s
                ours = self._short_lived(gateway)
                await self._broker.take_over(ours.context(self._broker.tls()), gateway)
            return Cut(True, refused_s, self._world.monotonic_s() - began_s)
        except TimeoutError:
            problem = (
                f"not certain after {self._settings.cut_off_timeout_s:g} s: does the broker heed the list?"
            )
        except (CutError, OSError, SQLAlchemyError) as error:
            problem = str(error) or type(error).__name__
        if self._broker:
            self.owe(gateway)  # it is tried again
        _log.error("the session of %s may live on: %s", gateway, problem)
        return Cut(listed, refused_s, problem=problem[:200])

    def owe(self, gateway: str) -> None:
        """Have the list written and a gateway cut at the next look, within a minute."""
        if len(self._owed) < OWED_MAX:
            self._owed.add(gateway)

    async def _renewed(self) -> None:
        """Take over what the former list has, forget what is long over, write the list, tell the broker."""
        now_ms = self._world.now_ms()
        assert self._list_file is not None  # noqa: S101 - run() has looked
        former = await asyncio.to_thread(authority_files.listed, self._list_file)
        longest_ms = round(self._settings.expired_renewal_days_max * DAY_MS)
        kept_ms = max(round(self._settings.certificates_retention_days * DAY_MS), longest_ms)
        until_ms = now_ms + round(self._settings.certificate_valid_days * DAY_MS)
        await self._state.write(lambda db: revoking.take_over(db, self._authority, former, until_ms))
        await self._state.write(lambda db: certificates.forget(db, now_ms - kept_ms))
        async with self._lock:
            await self._write([])
            with contextlib.suppress(CutError):  # a broker that does not run reads it when it starts
                await self._tell()

    async def _write(self, more: list[Revoked]) -> None:
        now_ms = self._world.now_ms()
        revoked = await self._state.read(lambda db: revoking.listed(db, self._authority, now_ms))
        self._written = await asyncio.to_thread(self._write_now, [*more, *revoked], now_ms)

    def _write_now(self, revoked: list[Revoked], now_ms: int) -> x509.CertificateRevocationList:
        """Sign and write the list; up to a second of work, which is not for the event loop."""
        told = self._authority.revocations(
            revoked, number=now_ms, now_ms=now_ms, valid_days=self._settings.crl_valid_days
        )
        assert self._list_file is not None  # noqa: S101 - whoever calls has looked
        authority_files.replace(self._list_file, told.public_bytes(Encoding.PEM), authority_files.PUBLIC)
        return told

    async def _tell(self) -> None:
        """Have the broker read its files again; CutError."""
        if command := self._settings.broker_reload_command:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
            )
            try:
                status = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
            if status:
                raise CutError(f"broker_reload_command ended with {status}")
        elif self._pid_file is not None:
            hang_up(self._pid_file)
        else:
            raise CutError("neither broker_pid_file nor broker_reload_command is set: the broker is not told")

    async def _refused(self, broker: BrokerSide, probe: "_ShortLived") -> None:
        """Return once the broker refuses a certificate that the list names."""
        context = probe.context(broker.tls())
        while not await _is_refused(broker, context):
            await asyncio.sleep(PROBE_PAUSE_S)

    def _short_lived(self, name: str) -> "_ShortLived":
        key = ec.generate_private_key(ec.SECP256R1())
        serial = self._world.random.getrandbits(SHORT_SERIAL_BITS) + 1
        certificate = self._authority.client(
            name, key.public_key(), serial=serial, now_ms=self._world.now_ms(), valid_days=SHORT_LIVED_DAYS
        )
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in self._authority.chain[:-1])
        pem = authority_files.key_pem(key) + certificate.public_bytes(Encoding.PEM) + chain
        return _ShortLived(serial, pem)


@dataclass(frozen=True)
class _ShortLived:
    """A certificate for half an hour, with its key."""

    serial: int
    pem: bytes

    def context(self, made: ssl.SSLContext) -> ssl.SSLContext:
        """Give it to a context; OpenSSL takes it from a file only, which nobody else may read."""
        with tempfile.NamedTemporaryFile(prefix="gengfu-") as file:
            file.write(self.pem)
            file.flush()
            made.load_cert_chain(file.name)
        return made


def hang_up(pid_file: Path) -> None:
    """Send SIGHUP to the broker that a file names; CutError where it is none."""
    try:
        pid = int(pid_file.read_text()[:20])
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError) as error:
        raise CutError(f"{pid_file}: names no broker that runs") from error
    if program != PROGRAM:
        raise CutError(f"{pid_file}: names process {pid}, which is {program}, not {PROGRAM}")
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise CutError(
            f"the broker (process {pid}) may not be signalled: {(error.strerror or '').lower()}; "
            "give broker_reload_command in place of broker_pid_file"
        ) from error


async def _is_refused(broker: BrokerSide, context: ssl.SSLContext) -> bool:
    """Say whether the broker refuses this certificate as revoked; OSError where something else is amiss."""
    writer = None
    try:
        reader, writer = await asyncio.open_connection(
            broker.host, broker.port, ssl=context, server_hostname=broker.host
        )
        async with asyncio.timeout(PROBE_PATIENCE_S):
            await reader.read(1)  # TLS 1.3 tells of it after the handshake
    except ssl.SSLError as error:
        if "REVOKED" in str(error.reason):
            return True
        raise
    except TimeoutError:
        pass  # it waits for what a client says first: this one is not refused yet
    finally:
        if writer:
            writer.transport.abort()
    return False
