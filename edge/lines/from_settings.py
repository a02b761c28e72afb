"""The lines of a gateway, made as its settings say."""

from edge.lines.ascii_mode import Ascii
from edge.lines.line import Line
from edge.lines.port import SerialSettings
from edge.lines.rtu import Rtu
from edge.lines.serial_port import SerialLine
from edge.lines.stream import StreamLine
from edge.lines.tcp import TcpLine
from edge.lines.timing import NETWORK_SLACK_S, PORT_SLACK_S, Timing
from edge.settings import Line as LineSettings
from edge.settings import SerialOverTcp as SerialOverTcpSettings
from edge.settings import Settings
from edge.settings import TcpLine as TcpLineSettings


def lines(settings: Settings) -> dict[str, Line]:
    """Return them by name; none is opened yet."""
    return {entry.name: _line(entry) for entry in settings.lines}


def _line(entry: LineSettings) -> Line:
    if isinstance(entry, TcpLineSettings):
        return TcpLine(
            entry.name,
            entry.host,
            entry.port,
            entry.connect_timeout_s,
            broadcast_turnaround_s=entry.broadcast_turnaround_s,
        )
    over_tcp = isinstance(entry, SerialOverTcpSettings)
    framing = Ascii() if entry.transmission_mode == "ascii" else Rtu()
    timing = Timing.of(
        entry.baud,
        entry.parity,
        entry.stop_bits,
        data_bits=entry.data_bits,
        turnaround_s=entry.turnaround_s,
        broadcast_turnaround_s=entry.broadcast_turnaround_s,
        late_answer_s=entry.late_answer_s,
        slack_s=NETWORK_SLACK_S if over_tcp else PORT_SLACK_S,
        paced=not over_tcp,
    )
    if isinstance(entry, SerialOverTcpSettings):
        return StreamLine(entry.name, entry.host, entry.port, timing, framing, entry.connect_timeout_s)
    port = SerialSettings(
        entry.port, entry.baud, entry.parity, entry.stop_bits, entry.data_bits, entry.direction
    )
    return SerialLine(entry.name, port, timing, framing)
