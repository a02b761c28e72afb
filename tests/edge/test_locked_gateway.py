"""A real gateway process and the locks of its state folder."""

import json
import os
import signal
from pathlib import Path

from contract.events import ControlAction
from edge.controls import lock_file
from tests.edge.test_run import started
from tests.faults.dead_gateway import CONTACTOR, VALVE, Site


def test_a_gateway_that_is_started_takes_up_its_locks_before_anything_runs(tmp_path: Path) -> None:
    """Its buffer knows nothing of them; the valve stays shut, and what is not locked runs."""
    site = Site(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    lock_file.write(tmp_path / "state", {f"relays/{VALVE}": ("wang", 1_800_000_000_000)})
    with site.cabinet:
        site.listen()
        try:
            site.gateway.start()
            assert site.until(lambda: site.is_on(CONTACTOR)) is not None
            assert not site.is_on(VALVE)
        finally:
            site.gateway.end()
        actions = {(event.control, event.action) for event in site.changes()}
        assert ("spray", ControlAction.STARTED) not in actions
        assert ("light", ControlAction.STARTED) in actions
    assert lock_file.read(tmp_path / "state") == {f"relays/{VALVE}": ("wang", 1_800_000_000_000)}


def test_a_file_of_locks_that_cannot_be_read_is_told_and_locks_everything(tmp_path: Path) -> None:
    """And is written anew at the end, so that what is locked can be unlocked."""
    site = Site(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / lock_file.FILE_NAME).write_text("{")
    process = started(tmp_path / "edge.toml")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"ready": True}
    os.kill(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "everything is locked: unlock here what is safe" in told
    assert set(lock_file.read(tmp_path / "state")) == {"relays/relay_1", "relays/relay_2"}
    assert site.writes == []
