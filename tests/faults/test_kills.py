"""A cell whose parts are killed and whose broker is wiped, for a short while; and that its audit can fail."""

import contextlib
import random
import shutil
import sqlite3
import time
from pathlib import Path

from tests.faults import kills, wipes
from tests.faults.accounts import Account, audit
from tests.faults.cell import Cell

KILLS, WIPES = 6, 1
TOO_FEW = "DELETE FROM journal WHERE id = {id}"
TOO_MANY = (
    "INSERT INTO journal SELECT last_id + 1, gateway, epoch, lane, sequence + 1000000, content, backfill,"
    " received_ms, journal.bytes, message FROM journal, journal_head WHERE id = {id}"
)


def test_every_sample_is_in_journal_series_and_store_once(tmp_path: Path) -> None:
    """Whatever was killed, and though the broker lost all it had; one batch more or less would be seen."""
    cell = Cell(tmp_path / "cell", has_store=True)
    chance = random.Random(5)
    try:
        cell.start()
        time.sleep(kills.WARM_UP_S)
        kills.play(cell, KILLS, chance)
        wipes.play(cell, WIPES, chance)
        cell.settle()
        account = audit(cell)
        assert (account.lost, account.doubled, account.findings) == (0, 0, [])
        assert account.samples > 100
        assert account.events > 0
        assert sum(cell.kills.values()) >= KILLS + WIPES
        assert _harmed(cell, tmp_path / "too few", TOO_FEW).lost > 0
        assert _harmed(cell, tmp_path / "too many", TOO_MANY).doubled > 0
    finally:
        cell.close()


def _harmed(cell: Cell, folder: Path, harm: str) -> Account:
    """Return the account of a copy of the cell's files, in which a batch in the middle was tampered with."""
    shutil.copytree(cell.folder, folder)
    with contextlib.closing(sqlite3.connect(folder / "centre" / "collector.db")) as connection, connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM journal WHERE lane = 'telemetry'")]
        connection.execute(harm.format(id=ids[len(ids) // 2]))
    whole, cell.folder = cell.folder, folder
    try:
        return audit(cell)
    finally:
        cell.folder = whole


def test_gateways_that_believe_the_broker_lose() -> None:
    """The control: they delete on PUBACK, and the broker is killed while the centre is away."""
    account, _ = kills.account_of(
        lambda cell: kills.trust_the_broker(cell, 1), has_store=False, weakened=True
    )
    assert account.lost > 0
