"""A switch from a person's terminal to a relay and its proof back: real centre, broker, gateway and line."""

import asyncio
from pathlib import Path

from simulators.bus import Bus
from simulators.relay_board import RelayBoard
from simulators.tcp_line import TcpLine
from tests.faults.desired_site import Site
from tests.whole.test_commands import OURS, at_cabinet, told

CONTROL = """
[[lines]]
kind = "tcp"
name = "board"
host = "127.0.0.1"
port = {port}
[[devices]]
name = "relays"
line = "board"
unit_id = 2
profile = "waveshare_relay_8"
points = ["relay_1"]
interval_s = 0.5
[[controls]]
name = "pump"
output = "relays/relay_1"
fail_state = "off"
longest_run_s = 1800
self_off_s = 60
stale_s = 600
start = {{ point = "meter/pressure", below = 100 }}
stop = {{ point = "meter/pressure", above = 200 }}
"""


def test_a_switch_is_proved_and_a_lock_at_the_cabinet_is_stronger(tmp_path: Path) -> None:
    """The relay follows, the answer has what was read back; while it is locked the centre is refused."""
    board, bus = RelayBoard("relays"), Bus()
    bus.add(board, 2)
    line = TcpLine(bus)
    line.start()
    site = Site(tmp_path, {OURS: ""})
    with (tmp_path / f"{OURS}.toml").open("a") as file:
        file.write(CONTROL.format(port=line.port))
    try:
        with site.running():
            asyncio.run(site.known())
            on = told(site, "switch", OURS, "relays/relay_1", "on", "--for", "10min", "--wait", "60s")
            assert (on["state"], on["read_back"]) == ("done", True), on
            assert "held by the centre" in at_cabinet(site, "explain", "pump").stdout
            off = told(site, "release", OURS, "relays/relay_1", "--wait", "60s")
            assert off["state"] == "done", off
            assert at_cabinet(site, "lock", "pump", "--who", "li").returncode == 0
            refused = told(site, "switch", OURS, "relays/relay_1", "on", "--for", "1min", "--wait", "60s")
            assert (refused["state"], refused["refusal"]) == ("refused", "not_allowed")
            assert "li" in refused["reason"]
            assert "held by the maintenance lock, li" in at_cabinet(site, "explain", "pump").stdout
            assert site.fallen == []
    finally:
        line.stop()
