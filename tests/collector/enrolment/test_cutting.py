"""The list for the broker is whole and renewed, and nobody is told that a session is gone who cannot know."""

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from sqlalchemy import Connection, func, select

from collector.enrolment import authority_files, certificates, cutting, revoking
from collector.enrolment.authority import SHORT_SERIAL_BITS, Authority, KeySigner
from collector.enrolment.cutting import Cut, CutError, Cutting, hang_up
from collector.enrolment.settings import Enrolment
from collector.enrolment.tables import revocations
from collector.world import World
from tests.collector.enrolment.making import DAY_MS, Bench, bench, new_key, request


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    """Lend a desk."""
    with bench(tmp_path) as made:
        yield made


PATIENCE_S = 20
AHEAD = Enrolment().serials_revoked_ahead


def rows(connection: Connection) -> int:
    """Count what is revoked by its number."""
    return connection.execute(select(func.count()).select_from(revocations)).scalar_one()


def cutter(desk: Bench, folder: Path, *, is_listed: bool = True) -> Cutting:
    """Return what tells a broker that is not there."""
    world = World(lambda: desk.now_ms, lambda: 0.0, lambda: "0" * 32, Random(1))
    return Cutting(
        Enrolment(),
        "north",
        desk.desk.authority,
        desk.state,
        world,
        list_file=folder / "crl.pem" if is_listed else None,
        pid_file=folder / "mosquitto.pid",
        broker=None,
    )


def test_a_revocation_is_on_the_list_though_no_broker_can_be_told(desk: Bench, tmp_path: Path) -> None:
    """And the answer says that the session may live on."""
    held = desk.enrol(desk.code(), request(new_key()))
    desk.revoke()
    cut = asyncio.run(cutter(desk, tmp_path).cut("gw-1"))
    assert cut.listed
    assert cut.ended_after_s is None
    assert "TLS" in cut.problem
    listed = {each.serial for each in authority_files.listed(tmp_path / "crl.pem")}
    assert held.serial_number in listed  # type: ignore[union-attr]
    assert len(listed) == 2 + AHEAD  # and what proves that the broker knows the list


def test_without_a_list_nobody_is_told(desk: Bench, tmp_path: Path) -> None:
    """It says so, rather than to say nothing."""
    cut = asyncio.run(cutter(desk, tmp_path, is_listed=False).cut("gw-1"))
    assert cut == Cut(listed=False, problem=cut.problem)
    assert "crl_file" in cut.problem


def test_the_list_is_renewed_and_keeps_what_the_former_one_had(desk: Bench, tmp_path: Path) -> None:
    """Also where the tables were restored from before the revocation."""
    desk.enrol(desk.code(), request(new_key()))
    desk.revoke()
    asyncio.run(cutter(desk, tmp_path)._renewed())
    listed = authority_files.listed(tmp_path / "crl.pem")
    assert len(listed) == 1 + AHEAD
    asyncio.run(cutter(desk, tmp_path)._renewed())
    assert desk.state.read_now(rows) == 1  # what follows from the name is not written down again
    (tmp_path / "restored").mkdir()
    with bench(tmp_path / "restored", by=desk.desk.authority) as restored:
        asyncio.run(cutter(restored, tmp_path)._renewed())
        assert set(authority_files.listed(tmp_path / "crl.pem")) == set(listed)
        serials = [certificates.serial_text(each.serial) for each in listed]
        assert restored.state.read_now(lambda db: all(revoking.is_revoked(db, each) for each in serials))
        new = restored.enrol(restored.code(), request(new_key()))
        assert new.serial_number not in {each.serial for each in listed}  # type: ignore[union-attr]


def test_who_was_revoked_before_the_centre_ended_is_known_after_its_start(desk: Bench) -> None:
    """Unless it has an identity again, or that is long ago."""

    def revoke(gateway: str) -> None:
        desk.revoke(gateway)

    for gateway in ("gw-1", "gw-2"):
        desk.enrol(desk.code(gateway), request(new_key(), gateway), gateway)
        revoke(gateway)
    desk.enrol(desk.code("gw-2"), request(new_key(), "gw-2"), "gw-2")
    since_ms = desk.now_ms
    assert desk.state.read_now(lambda db: revoking.without(db, since_ms, 10)) == {"gw-1"}
    assert desk.state.read_now(lambda db: revoking.without(db, since_ms + 1, 10)) == set()


def test_what_is_learnt_is_on_the_list_at_the_next_look(
    desk: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of which nobody knew was shown after its name was revoked."""
    monkeypatch.setattr(cutting, "RETRY_S", 0.01)
    held = desk.issued("gw-1", new_key(), now_ms=desk.now_ms - DAY_MS)
    desk.revoke()
    made, path = cutter(desk, tmp_path), tmp_path / "crl.pem"

    async def until(is_listed: bool) -> None:
        while (held.serial_number in {each.serial for each in authority_files.listed(path)}) != is_listed:
            await asyncio.sleep(0.01)

    async def story() -> None:
        running = asyncio.create_task(made.run())
        async with asyncio.timeout(PATIENCE_S):
            while not path.exists():
                await asyncio.sleep(0.01)
            await until(is_listed=False)
            body = request(new_key())
            await desk.state.write(lambda db: desk.desk.renew(db, desk.now_ms, held, body))
            made.owe("gw-1")
            await until(is_listed=True)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())


def test_a_pid_file_of_another_program_is_not_signalled(tmp_path: Path) -> None:
    """A number that was given to another process since; and no file, and noise."""
    path = tmp_path / "mosquitto.pid"
    for content, what in (
        (str(os.getpid()), "not mosquitto"),
        ("noise", "no broker"),
        ("999999999", "no broker"),
    ):
        path.write_text(content)
        with pytest.raises(CutError, match=what):
            hang_up(path)
    with pytest.raises(CutError, match="no broker"):
        hang_up(tmp_path / "none")


def test_a_list_file_is_replaced_whole(tmp_path: Path) -> None:
    """A broker that reads meanwhile reads the one or the other; what a power cut left is no obstacle."""
    path = tmp_path / "crl.pem"
    (tmp_path / ".crl.pem.new").write_text("half of")
    authority_files.replace(path, b"whole", 0o644)
    assert path.read_bytes() == b"whole"
    assert [each.name for each in tmp_path.iterdir()] == ["crl.pem"]
    assert authority_files.listed(path) == []


def test_what_lives_for_half_an_hour_is_marked_by_its_serial(desk: Bench, tmp_path: Path) -> None:
    """So that a list that is taken over does not keep it for ever."""
    made = cutter(desk, tmp_path)._short_lived("probe@north")
    assert made.serial.bit_length() <= SHORT_SERIAL_BITS + 1


@pytest.mark.parametrize("wrong_days", [-200, 1, 365])
def test_a_list_of_a_wrong_clock_is_written_anew_once_the_clock_is_right(
    desk: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_days: int
) -> None:
    """A broker takes nobody by a list that is over or has not begun; who is to be cut is looked up again."""
    monkeypatch.setattr(cutting, "RETRY_S", 0.01)
    right_ms, path = desk.now_ms, tmp_path / "crl.pem"
    desk.revoke("gw-9")
    desk.now_ms += wrong_days * DAY_MS
    made = cutter(desk, tmp_path)

    async def until_it_holds() -> None:
        while not path.exists():
            await asyncio.sleep(0.01)
        desk.now_ms = right_ms
        while True:
            told = x509.load_pem_x509_crl(path.read_bytes())
            ends = told.next_update_utc
            assert ends is not None
            if told.last_update_utc.timestamp() * 1000 <= right_ms < ends.timestamp() * 1000 - 30 * DAY_MS:
                return
            await asyncio.sleep(0.01)

    async def story() -> None:
        running = asyncio.create_task(made.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await until_it_holds()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())


def test_the_event_loop_goes_on_while_the_list_is_signed(desk: Bench, tmp_path: Path) -> None:
    """However long it is: the broker's messages do not wait for it."""
    is_signed, goes_on = threading.Event(), threading.Event()

    @dataclass(frozen=True)
    class Slow(KeySigner):
        def revocations(
            self, builder: x509.CertificateRevocationListBuilder
        ) -> x509.CertificateRevocationList:
            is_signed.set()
            assert goes_on.wait(PATIENCE_S)
            return super().revocations(builder)

    authority = desk.desk.authority
    desk.desk.authority = Authority(authority.chain, Slow(authority.signer.key))  # type: ignore[attr-defined]

    async def story() -> None:
        writing = asyncio.create_task(cutter(desk, tmp_path)._renewed())
        async with asyncio.timeout(PATIENCE_S):
            while not is_signed.is_set():
                await asyncio.sleep(0.01)
            goes_on.set()
        await writing

    asyncio.run(story())
