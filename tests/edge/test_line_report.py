"""What people are told of lines and devices is what really happened on the wire."""

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest

from edge import line_report
from edge.line_report import DeviceReport, LineReport, Report, Reporter, ReportUnreadableError
from edge.lines.line import LineError, Outcome, Request
from edge.lines.listening import Seen
from edge.lines.virtual import VirtualLine
from tests.edge.test_polling import Line
from tests.edge.virtual_gateway import LoopClock


def observed(line: Line, reporter: Reporter) -> dict[str, DeviceReport]:
    """Return what is told now, by device."""
    [report] = reporter.report(LoopClock().now()).lines
    return {device.device: device for device in report.devices}


def reporter_of(line: Line) -> Reporter:
    """Return a reporter of a polled line."""
    devices = line.poller.devices.values()
    bus = next(iter(devices))._line
    return Reporter("site-1", {"line": line.poller}, {"line": bus}, LoopClock().now())


def test_pace_share_and_answers_are_those_of_the_wire() -> None:
    """Three gauges each second: 15 characters at 9600 baud and a turnaround of 5 ms are 20.6 ms."""
    line = Line(3, interval_s=1)

    async def act() -> None:
        await asyncio.sleep(0)
        reporter = reporter_of(line)
        await asyncio.sleep(120)
        told = observed(line, reporter)
        gauge = told["gauge-1"]
        assert (gauge.state, gauge.asked_s, gauge.timeouts, gauge.last_error) == ("ok", 1, 0, "")
        assert gauge.p50_s == pytest.approx(1, abs=0.01)
        assert gauge.p95_s == pytest.approx(1, abs=0.05)
        assert gauge.share == pytest.approx(0.0206, abs=0.0005)
        assert gauge.answer_s == pytest.approx(0.005 + 7 / 960, abs=0.001)
        assert gauge.timeout_s < 0.1
        assert gauge.requests == 1

    line.run(act)


def test_half_and_nineteen_of_twenty_intervals_lie_below_what_is_told() -> None:
    """Of whatever intervals there were."""
    line = Line(1, interval_s=1)

    async def act() -> None:
        await asyncio.sleep(0)
        intervals_s = line.poller.schedule.turns["gauge-1"].intervals_s
        intervals_s.clear()
        intervals_s.extend(range(100, 0, -1))
        told = observed(line, reporter_of(line))["gauge-1"]
        assert (told.p50_s, told.p95_s) == (51, 96)

    line.run(act)


def test_shares_are_of_the_last_minutes_only() -> None:
    """What a device took an hour ago says nothing of now."""
    line = Line(1, interval_s=0.01)

    async def act() -> None:
        await asyncio.sleep(0)
        reporter = reporter_of(line)
        await asyncio.sleep(60)
        busy = observed(line, reporter)["gauge-1"].share
        assert busy > 0.3
        line.poller.fed(["gauge-1"], powered=False)
        for _ in range(line_report.WINDOW_REPORTS_MAX + 1):
            await asyncio.sleep(10)
            last = observed(line, reporter)["gauge-1"]
        assert (last.state, last.share) == ("unpowered", 0)

    line.run(act)


def test_states_timeouts_and_errors_are_told() -> None:
    """Doubtful after one failed cycle, dead after three."""
    line = Line(2, interval_s=5)

    async def act() -> None:
        await asyncio.sleep(12)
        line.dead(1)
        await asyncio.sleep(5)
        reporter = reporter_of(line)
        doubtful = observed(line, reporter)["gauge-1"]
        assert (doubtful.state, doubtful.timeouts, doubtful.last_error) == ("doubtful", 1, "timeout")
        assert LoopClock().now().wall_ms - doubtful.last_error_ms < 5000
        await asyncio.sleep(60)
        told = observed(line, reporter)
        assert told["gauge-1"].state == "dead"
        assert told["gauge-1"].timeouts >= 3
        assert (told["gauge-2"].state, told["gauge-2"].timeouts) == ("ok", 0)

    line.run(act)


def test_where_the_port_is_gone_devices_are_neither_ok_nor_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was asked."""
    line = Line(1, interval_s=1)

    async def gone(self: VirtualLine, request: Request) -> Outcome:
        return Outcome(None, LineError.UNAVAILABLE, 0)

    async def act() -> None:
        await asyncio.sleep(3)
        reporter = reporter_of(line)
        with monkeypatch.context() as patched:
            patched.setattr(VirtualLine, "transact", gone)
            await asyncio.sleep(3)
            told = observed(line, reporter)["gauge-1"]
        assert (told.state, told.last_error) == ("no_line", "line_unavailable")
        await asyncio.sleep(3)
        assert observed(line, reporter)["gauge-1"].state == "ok"

    line.run(act)


def report(devices: int = 1) -> Report:
    """Return a report as large as a line of so many devices makes it."""
    names = ["p" * 40] * line_report.ABSENT_TOLD_MAX
    one = DeviceReport("d" * 40, 1, "ok", 5, 5, 5, 0.1, 0.1, 0.5, 1, 0, "timeout", 10**12, names, 999)
    return Report(1, "site-1", 10**12, 300, False, [LineReport("line", 0.1, Seen(), [one] * devices)])


def test_the_file_is_replaced_whole_and_read_by_owner_and_group(tmp_path: Path) -> None:
    """Mode 0640 whatever the umask, nothing left beside it."""
    umask = os.umask(0o077)
    try:
        for _ in range(2):
            line_report.write(tmp_path, report())
    finally:
        os.umask(umask)
    assert [path.name for path in tmp_path.iterdir()] == ["lines.json"]
    assert stat.S_IMODE((tmp_path / "lines.json").stat().st_mode) == 0o640
    assert line_report.read(tmp_path) == report()


def test_the_largest_gateway_s_report_is_within_the_limit(tmp_path: Path) -> None:
    """A thousand devices, each with absent points of the longest names."""
    line_report.write(tmp_path, report(1000))
    assert (tmp_path / "lines.json").stat().st_size < line_report.FILE_BYTES_MAX / 2
    assert len(line_report.read(tmp_path).lines[0].devices) == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        msgspec.json.encode(report())[:-5],
        msgspec.json.encode(report()).replace(b"site-1", b"site\xff1"),
        b'{"unheard_of":' + b"[" * 10_000,
        b" " * (line_report.FILE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_report_is_told_and_not_shown(tmp_path: Path, content: bytes) -> None:
    """A power cut may leave half a file."""
    (tmp_path / "lines.json").write_bytes(content)
    with pytest.raises(ReportUnreadableError, match="is no report of this version"):
        line_report.read(tmp_path)
