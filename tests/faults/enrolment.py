"""Enrolment, and the ways in which it must fail: ``python -m tests.faults.enrolment``.

A real centre, a real mosquitto with what ``gengfu collector init`` writes, a stranger who has curl and
openssl only, and a real gateway. The stranger enrols and enrols again; codes that were used, tried, late or
another's are refused, and so are certificates that are over, too early, another district's, another
authority's or revoked, at the port of enrolment and at the broker. Gateways are revoked while they are
connected, and the seconds until the broker cuts them are told. A backup is put back, and what was issued
after it, which no table knows, is revoked by its name and gets in nowhere, while who is honest goes on. A
gateway renews its certificate at half of its life without losing a batch; it is dark for so long that the
certificate is over, wakes with a clock that says 1970, and must come back by itself, unless the operator has
said that none shall.

Controls: a centre that does not cut, one that takes a code twice, one that heeds no time, one that revokes
only what its tables know. Each must show.
"""

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from collector.enrolment import authority as authorities
from contract import topics
from contract.topics import Lane
from tests.faults import enrolment_restored as restored
from tests.faults.broker_access import Node
from tests.faults.enrolment_restored import takes
from tests.faults.est_stranger import Stranger
from tests.faults.secure_site import (
    DAY_MS,
    DISTRICT,
    NAME,
    OtherTime,
    Program,
    SecureSite,
    new_serial,
    now_ms,
)

GATEWAY = "cabinet-7"
VALID_DAYS, DARK_DAYS, LATE_DAYS_MAX = 90, 91, 180
CUT_S_MAX = 20.0
LIVES_ON_S = 5.0
RECOVER_S_MAX = 90.0
REFUSED_LOOK_S = 15.0
EVENTUALLY_S = 60.0
DAY_S = 86_400
_GATEWAY = """schema = 1
district = "north"
gateway = "cabinet-7"
[broker]
host = "127.0.0.1"
reconnect_min_s = 0.2
reconnect_max_s = 1
[buffer]
flush_interval_s = 0.5
stop_drain_s = 10
[clock]
source = "{source}"
synchronise_wait_s = 0
[identity]
unset_wait_s = 2
retry_min_s = 1
retry_max_s = 60
[[lines]]
kind = "tcp"
name = "nowhere"
host = "127.0.0.1"
port = 9
connect_timeout_s = 0.2
[[devices]]
name = "meter"
line = "nowhere"
profile = "qdy30a"
interval_s = 1
"""


class Findings:
    """What did not go as it must, by a name for each."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.wrong: list[str] = []
        self.checks = 0

    def must(self, holds: bool, what: str) -> None:
        """Note where something does not hold."""
        self.checks += 1
        if not holds:
            self.wrong.append(what)
            print(f"WRONG: {what}", file=sys.stderr)


@contextlib.contextmanager
def running(site: SecureSite, *, offset_s: float = 0, without: str = "") -> Iterator[None]:
    """Run broker and centre, so much later, or with something left out."""
    try:
        site.start(offset_s=offset_s, without=without)
        yield
    finally:
        site.stop()


def strange_ways(site: SecureSite, stranger: Stranger, findings: Findings) -> None:
    """Enrol and enrol again with curl and openssl; replay, guess, come late."""
    told = stranger.get("cacerts")
    findings.must(told.status == 200 and "pkcs7" in told.headers["content-type"], "cacerts")
    key = stranger.key()
    code, request = site.code("gw-1"), stranger.request(key, "gw-1")
    first = stranger.enrol("gw-1", code, request)
    findings.must(first.status == 200, "simpleenroll")
    identity = stranger.identity(first, key)
    findings.must(takes(site, identity, "gw-1"), "the broker takes what was issued")
    again = stranger.enrol("gw-1", code, stranger.request(key, "gw-1"))
    findings.must(again.body == first.body, "a lost answer is answered again with the same certificate")
    other = stranger.key()
    replayed = stranger.enrol("gw-1", code, stranger.request(other, "gw-1"))
    findings.must(replayed.status == 401, "a replayed code is refused")
    findings.must("basic" in replayed.headers.get("www-authenticate", ""), "401 says how to authenticate")
    renewed = stranger.renew(identity, stranger.request(other, "gw-1"))
    findings.must(renewed.status == 200, "simplereenroll with another key")
    findings.must(takes(site, stranger.identity(renewed, other), "gw-1"), "the broker takes the renewed")
    for what, status, answered in (
        (
            "a code of another",
            401,
            stranger.enrol("gw-2", site.code("gw-3"), stranger.request(other, "gw-2")),
        ),
        ("no code", 401, stranger.enrol("gw-1", "", request)),
        ("a name of another", 400, stranger.enrol("gw-4", site.code("gw-4"), request)),
        ("noise", 400, stranger.enrol("gw-5", site.code("gw-5"), b"bm9pc2U=")),
        ("a name of another at renewal", 400, stranger.renew(identity, stranger.request(other, "gw-2"))),
        ("the centre's own certificate", 403, stranger.renew(site.centre_identity, request)),
    ):
        findings.must(answered.status == status, f"{what}: {answered.status}, not {status}")
    late = site.code("gw-6", for_s=1)
    time.sleep(1.2)
    answered = stranger.enrol("gw-6", late, stranger.request(other, "gw-6"))
    findings.must(answered.status == 401, "a code that is over is refused")
    guessed = site.code("gw-7")
    for _ in range(10):
        stranger.enrol("gw-7", "ABCD-EFGH-JKMN-PQRS", b"")
    answered = stranger.enrol("gw-7", guessed, stranger.request(other, "gw-7"))
    findings.must(answered.status == 401, "a code that was guessed at too often is refused")


def bad_certificates(site: SecureSite, stranger: Stranger, findings: Findings) -> None:
    """Bring certificates that are not good, to the port of enrolment and to the broker."""
    foreign = authorities.root(
        DISTRICT, ec.generate_private_key(ec.SECP256R1()), serial=new_serial(), now_ms=now_ms(), valid_days=30
    )
    over_ms = now_ms() - 40 * DAY_MS
    long_over_ms = over_ms - LATE_DAYS_MAX * DAY_MS
    for what, identity, at_broker, at_port in (
        ("a good one", site.identity("gw-8"), True, 200),
        ("over", site.identity("gw-8", at_ms=over_ms), False, 200),
        ("over for too long", site.identity("gw-8", at_ms=long_over_ms), False, 403),
        ("not valid yet", site.identity("gw-8", at_ms=now_ms() + 2 * DAY_MS), False, 403),
        ("another authority's", site.identity("gw-8", by=foreign), False, 0),
        ("a wrong name", site.identity("Gw 8"), None, 403),
        ("another district's", site.identity("gw-8", district="south"), None, 403),
    ):
        answered = stranger.renew(identity, stranger.request(identity.key, "gw-8"))
        findings.must(answered.status == at_port, f"{what}: {answered.status} at the port, not {at_port}")
        if at_broker is not None:
            findings.must(takes(site, identity, "gw-8") is at_broker, f"{what} at the broker")


def cut_off(site: SecureSite, stranger: Stranger, findings: Findings, rounds: int) -> list[float]:
    """Revoke gateways while they are connected; return the seconds until each was cut."""
    seconds: list[float] = []
    for number in range(rounds):
        name = f"lost-{number}"
        identity, code = stranger.enrolled(name), site.code(name)
        node = Node(site, identity, name)
        began_s = time.monotonic()
        told = site.asked("POST", f"/gateways/{name}/revocation", {"reason": "stolen"})
        lost = node.until(lambda node=node: node.losses > 0, CUT_S_MAX)  # type: ignore[misc]
        seconds.append(time.monotonic() - began_s)
        findings.must(lost and not told["problem"], f"{name} is cut: {told}")
        findings.must(not takes(site, identity, name), f"{name} comes back to the broker")
        node.end()
        request = stranger.request(identity.key, name)
        findings.must(stranger.renew(identity, request).status == 403, f"{name} renews")
        findings.must(stranger.enrol(name, code, request).status == 401, f"{name} uses a code from before")
    findings.must(takes(site, stranger.enrolled("lost-0"), "lost-0"), "a new code gives an identity again")
    return seconds


class Cabinet:
    """A real gateway, and the time that it sees."""

    def __init__(self, site: SecureSite, folder: Path, source: str) -> None:
        """Write its settings."""
        folder.mkdir()
        self._site, self.folder = site, folder
        self.settings = folder / "edge.toml"
        self.settings.write_text(_GATEWAY.format(source=source))
        self.program = Program("gateway", folder)

    def enrol(self) -> None:
        """Enrol by the one command."""
        more = ["--fingerprint", self._site.authority.fingerprint, "--broker", f"{NAME}:{self._site.port}"]
        command = [
            "edge",
            "enrol",
            "--settings",
            str(self.settings),
            "--code",
            self._site.code(GATEWAY),
            *more,
        ]
        centre = f"https://{NAME}:{self._site.enrolment_port}"
        subprocess.run(
            [sys.executable, "-m", "gengfu.main", *command, *more, "--centre", centre],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    def start(self, offset_s: float) -> None:
        """Start it, so much later than now."""
        assert self._site.time
        more = self._site.time.environment(offset_s)
        self.program.start(["gengfu.main", "edge", "run", "--settings", str(self.settings)], more)

    @property
    def serial(self) -> int:
        """Of the certificate that it has."""
        pem = (self.folder / "state/identity/cert.pem").read_bytes()
        return x509.load_pem_x509_certificate(pem).serial_number

    def delivered(self, more_than: int = -1, limit_s: float = RECOVER_S_MAX) -> int:
        """Wait until the centre has more batches, and return how many; -1 where there are no more."""
        until_s = time.monotonic() + limit_s
        while (count := self._batches()) <= more_than:
            if time.monotonic() > until_s:
                return -1
            time.sleep(0.1)
        return count

    def missing(self) -> int:
        """Return how many batches the centre has not in a row, or has passed over."""
        with self._database() as db:
            numbered = "count(*), max(sequence) - min(sequence) + 1"  # what is over 90 days old is gone
            query = f"SELECT {numbered} FROM journal WHERE gateway = ? GROUP BY epoch, lane"
            rows = db.execute(query, (GATEWAY,)).fetchall()
            jumps = "SELECT count(*) FROM gaps WHERE gateway = ? AND origin = 'collector'"
            [gaps] = db.execute(jumps, (GATEWAY,)).fetchone()
        return sum(int(wanted) - int(count) for count, wanted in rows) + int(gaps)

    def _batches(self) -> int:
        with self._database() as db:
            [count] = db.execute("SELECT count(*) FROM journal WHERE gateway = ?", (GATEWAY,)).fetchone()
        return int(count)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self._site.folder / "data" / "collector.db"
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            yield connection


def eventually(holds: Callable[[], bool], limit_s: float = EVENTUALLY_S) -> bool:
    """Wait until something holds, and say whether it does."""
    until_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.1)
    return True


def dark(folder: Path, findings: Findings, *, source: str, rule_days: float = LATE_DAYS_MAX) -> float:
    """Let a gateway be dark until its certificate is over; return how long it takes to come back, -1 never.

    ``source`` kernel: it wakes in 1970 and nobody tells it the time; wall: its clock is right.
    """
    folder.mkdir()
    site = SecureSite(folder, OtherTime(folder), {"expired_renewal_days_max": rule_days})
    cabinet = Cabinet(site, folder / "cabinet", source)
    with running(site):
        cabinet.enrol()
        cabinet.start(0)
        findings.must(cabinet.delivered(0) > 0, f"{source}: the gateway delivers")
        cabinet.program.end(rudely=True)  # the power is gone, and what it measured stays in its buffer
    first = cabinet.serial
    half_s = (VALID_DAYS * 0.62) * DAY_S
    if source == "wall":
        with running(site, offset_s=half_s):
            before = cabinet.delivered()
            cabinet.start(half_s)
            findings.must(eventually(lambda: cabinet.serial != first), "it renews after half of its life")
            findings.must(cabinet.delivered(before) > 0, "it delivers while it renews")
            site.broker.stop()
            site.broker.start()  # the next connection is by the new certificate
            findings.must(cabinet.delivered(cabinet.delivered()) > 0, "it delivers by the new certificate")
            cabinet.program.end(rudely=True)
    else:
        half_s = 0
    dark_s = half_s + DARK_DAYS * DAY_S
    last = cabinet.serial
    with running(site, offset_s=dark_s):
        began_s = time.monotonic()
        cabinet.start(dark_s if source == "wall" else -time.time())
        if rule_days < 1:
            renewed = eventually(lambda: cabinet.serial != last, REFUSED_LOOK_S)
            cabinet.program.end()
            return 0 if renewed else -1
        renewed = eventually(lambda: cabinet.serial != last, RECOVER_S_MAX)
        came_back = renewed and cabinet.delivered(cabinet.delivered()) > 0
        took_s = time.monotonic() - began_s
        findings.must(came_back, f"{source}: it comes back after {DARK_DAYS} dark days")
        cabinet.program.end()
        findings.must(cabinet.missing() == 0, f"{source}: no batch is missing")
    return took_s if came_back else -1


def controls(folder: Path, weak: Findings, findings: Findings) -> None:
    """Show that each weakened centre shows; what is found wrong is counted for it."""
    folder.mkdir()
    site = SecureSite(folder, rule={"serials_revoked_ahead": 0})
    stranger = Stranger(site, folder)
    with running(site, without="kick"):
        node = Node(site, stranger.enrolled("lost"), "lost")
        site.asked("POST", "/gateways/lost/revocation", {"reason": "stolen"})
        weak.must(node.until(lambda: node.losses > 0, LIVES_ON_S), "kick: the session lives on")
        own = topics.up(DISTRICT, "lost", Lane.EVENTS)
        mid = node.publish(own, b"still here")
        weak.must(not node.until(lambda: mid in node.answers, LIVES_ON_S), "kick: it still publishes")
        site.centre.end(rudely=True)
        site.start_centre({})  # a sound one, which finds what is still to be done
        findings.must(node.until(lambda: node.losses > 0, CUT_S_MAX), "cut by a centre that starts again")
        node.end()
    with running(site, without="once+time"):
        code, key = site.code("gw-1"), stranger.key()
        stranger.enrol("gw-1", code, stranger.request(key, "gw-1"))
        replayed = stranger.enrol("gw-1", code, stranger.request(stranger.key(), "gw-1"))
        weak.must(replayed.status == 401, "once: a code is taken twice")
        early = site.identity("gw-1", at_ms=now_ms() + 2 * DAY_MS)
        answered = stranger.renew(early, stranger.request(early.key, "gw-1"))
        weak.must(answered.status == 403, "time: what is not valid yet is renewed")
        later = restored.put_back(site, stranger, folder)
        site.asked("POST", f"/gateways/{restored.KEPT}/revocation", {"reason": "stolen"})
        weak.must(not takes(site, later[restored.KEPT], restored.KEPT), "ahead: what was forgotten gets in")


def main() -> None:
    """Run all of it; exit status 1 where something is wrong, or a control shows nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="Gateways revoked while they are connected.")
    parser.add_argument("--short", action="store_true", help="Strangers and revocation only.")
    given = parser.parse_args()
    began_s = time.monotonic()
    findings, weak = Findings(), Findings()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="gengfu-enrolment-") as name:
        folder = Path(name)
        site = SecureSite(folder)
        stranger = Stranger(site, folder)
        with running(site):
            strange_ways(site, stranger, findings)
            bad_certificates(site, stranger, findings)
            seconds = cut_off(site, stranger, findings, given.rounds)
            later = restored.put_back(site, stranger, folder)
            forgotten_s = restored.revoked_after(site, stranger, later, findings.must, CUT_S_MAX)
            restored.honest(site, stranger, later, findings.must)
        if not given.short:
            figures["enrolment_back_1970_s"] = round(dark(folder / "1970", findings, source="kernel"), 1)
            figures["enrolment_back_right_clock_s"] = round(
                dark(folder / "right", findings, source="wall"), 1
            )
            never = dark(folder / "never", findings, source="wall", rule_days=0)
            findings.must(never == -1, "the operator says never, and it comes back")
        controls(folder / "controls", weak, findings)
    figures |= {
        "enrolment_cut_s_max": round(max(seconds), 2),
        "enrolment_cut_s_median": round(sorted(seconds)[len(seconds) // 2], 2),
        "enrolment_cut_forgotten_s": round(forgotten_s, 2),
        "enrolment_cut_rounds": len(seconds),
        "enrolment_checks": findings.checks,
        "enrolment_wrong": len(findings.wrong),
        "enrolment_controls_shown": len(weak.wrong),
        "enrolment_controls": weak.checks,
        "enrolment_took_s": round(time.monotonic() - began_s),
    }
    for what, count in figures.items():
        print(f"{what:36} {count:10g}")
    print(json.dumps({"name": "enrolment", "figures": figures, "conditions": {"short": given.short}}))
    sys.exit(bool(findings.wrong) or len(weak.wrong) != weak.checks)


if __name__ == "__main__":
    main()
