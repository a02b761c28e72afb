"""A line examined: listened to, its devices asked again and again, the silent ones looked for. The rim."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from device_profiles.schema import BIT_TABLES, Profile
from edge.commissioning.finds import Effort
from edge.commissioning.scanning import Scanner
from edge.commissioning.sweep import Sweep
from edge.commissioning.symptoms import Elsewhere, Evidence, Exchange
from edge.drivers.modbus_pdu import READ_FUNCTIONS
from edge.drivers.probing import ASCII, RTU, Kind, ModbusProbing
from edge.lines.formats import Format
from edge.lines.port import AskedPort

TIMES = 12
"""How often each device is asked."""
PATIENCE_S = 1.0
"""So long an answer is awaited at least, so that late ones show."""
LINGER_S = 0.06
"""So long it is listened after an answer: to a second one, or to somebody else."""
SEARCH_S = 30.0
"""So long silent devices are looked for in other formats and at other units."""


@dataclass(frozen=True)
class Expected:
    """A device that should be on the line."""

    name: str
    unit_id: int
    profile: Profile
    timeout_s: float


@dataclass(frozen=True)
class Stage:
    """How far an examination is."""

    what: str
    done: int
    of: int


def examined(
    port: AskedPort,
    entry: Format,
    mode: str,
    devices: Sequence[Expected],
    *,
    clock_s: Callable[[], float],
    on_stage: Callable[[Stage], None] = lambda _stage: None,
    latency_ms: int | None = None,
    times: int = TIMES,
    search_s: float = SEARCH_S,
    listen: bool = True,
) -> Evidence:
    """Return what the line shows, after ``times`` questions to each device, and a search for silent ones.

    The search takes ``search_s`` at most. Only reads are sent, and nothing where another master is heard.
    """
    protocol = ASCII if mode == "ascii" else RTU
    scanner = Scanner("", Sweep([], effort=Effort.QUICK), clock_s)
    timeouts_s = {device.unit_id: device.timeout_s for device in devices}
    heard = scanner.listen(port) if listen else None
    port.reformat(entry)
    if heard is not None and heard.frames:
        return Evidence(entry, mode, timeouts_s, (), heard, (), "", latency_ms)
    exchanges: list[Exchange] = []
    for index in range(times):
        on_stage(Stage("asking", index * len(devices), times * len(devices)))
        exchanges += [_asked(port, protocol, device) for device in devices]
    silent = [device for device in devices if not _answered(exchanges, device.unit_id)]
    elsewhere = _searched(port, entry, devices, silent, clock_s, on_stage, search_s) if silent else []
    return Evidence(entry, mode, timeouts_s, exchanges, heard, elsewhere, "", latency_ms)


def _asked(port: AskedPort, protocol: ModbusProbing, device: Expected) -> Exchange:
    """Ask for the first point: a value is hoped for, so its length is known."""
    point = min(device.profile.points, key=lambda each: each.address)
    kind = Kind("first point", READ_FUNCTIONS[point.table], point.address, point.words, 1.0)
    sent = protocol.probe(kind, device.unit_id)
    patience_s = max(PATIENCE_S, 2 * device.timeout_s)
    heard, first_s = port.ask(sent, patience_s, lambda _data: False)  # what follows an answer matters, too
    heard += port.listen(LINGER_S)
    data_bytes = 1 if point.table in BIT_TABLES else 2 * point.words
    answer_bytes = 5 + data_bytes if protocol is RTU else 11 + 2 * data_bytes
    return Exchange(protocol, device.unit_id, sent, heard, first_s, answer_bytes)


def _answered(exchanges: Iterable[Exchange], unit_id: int) -> bool:
    return any(
        each.protocol.taken_apart(each.sent, each.heard).answers
        for each in exchanges
        if each.unit_id == unit_id
    )


def _searched(
    port: AskedPort,
    entry: Format,
    devices: Sequence[Expected],
    silent: Sequence[Expected],
    clock_s: Callable[[], float],
    on_stage: Callable[[Stage], None],
    search_s: float,
) -> list[Elsewhere]:
    """Look for who is silent: the same unit in other formats, then any unit in the line's own."""
    profiles = [device.profile for device in silent]
    units = sorted({device.unit_id for device in silent})
    known = [(entry, device.unit_id) for device in devices if device not in silent]
    searches = (
        Sweep(profiles, effort=Effort.USUAL, units=units, known=known),
        Sweep(profiles, effort=Effort.USUAL, formats=[entry], known=known),
    )
    found: list[Elsewhere] = []
    for sweep in searches:
        scanner = Scanner("", sweep, clock_s)
        until_s = clock_s() + search_s / len(searches)
        while not scanner.over and clock_s() < until_s and not _all_found(found, sweep, units):
            on_stage(Stage("searching", sweep.asked, 0))
            scanner.slice(port, 1.0, lambda _progress: None)
        found += [Elsewhere(each.unit_id, each.format, each.transmission_mode) for each in sweep.found]
    return found


def _all_found(found: Sequence[Elsewhere], sweep: Sweep, units: Iterable[int]) -> bool:
    """Say whether everybody who was silent is found somewhere: then there is nothing left to look for."""
    seen = {each.unit_id for each in found} | {each.unit_id for each in sweep.found}
    return seen.issuperset(units)
