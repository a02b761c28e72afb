"""What the centre knows of its gateways, read from its databases."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from sqlalchemy import Connection, select

from collector.fleet.findings import DeviceFacts, GatewayFacts
from collector.fleet.tables import fleet_standing
from collector.fleet.watching import Source
from collector.incidents.labels import PARTS_MAX
from collector.series import reading as series_reading
from collector.tables import alarms, devices, gateways
from contract.samples import Quality

POINTS_MAX = 10_000
"""Of one gateway: so many are looked at."""
SILENT = (Quality.BAD, Quality.STALE)

AreaOf = Callable[[Connection, str], str]


def known_gateways(connection: Connection, heard_after_ms: int) -> list[GatewayFacts]:
    """Return the gateways heard since then."""
    query = select(gateways).where(gateways.c.heard_ms >= heard_after_ms).order_by(gateways.c.gateway)
    return [
        GatewayFacts(row.gateway, row.heard_ms, row.online, row.state_ms) for row in connection.execute(query)
    ]


def standing(connection: Connection) -> dict[Source, str]:
    """Return the ids of the alarms that stand."""
    return {
        Source(row.rule, row.gateway, row.device): row.alarm_id
        for row in connection.execute(select(fleet_standing))
    }


def stale_alarms(connection: Connection, names: Collection[str]) -> dict[tuple[str, str], int]:
    """Return since when the devices of these gateways are in alarm because nothing comes of them."""
    query = select(alarms.c.gateway, alarms.c.device, alarms.c.raised_ms).where(
        alarms.c.cleared_ms.is_(None), alarms.c.condition == "stale", alarms.c.gateway.in_(names)
    )
    found: dict[tuple[str, str], int] = {}
    for row in connection.execute(query):
        key = (row.gateway, row.device)
        found[key] = min(row.raised_ms, found.get(key, row.raised_ms))
    return found


def lines_of(connection: Connection, names: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return the devices of these gateways as (line, device)."""
    query = select(devices.c.gateway, devices.c.line, devices.c.device).where(devices.c.gateway.in_(names))
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for row in connection.execute(query.order_by(devices.c.line, devices.c.device)):
        found[row.gateway].append((row.line, row.device))
    return found


def silent_by_samples(
    connection: Connection, gateway: str, now_ms: int
) -> dict[str, tuple[int | None, bool]]:
    """Return of each device since when all its points are bad or stale (None: not), and if it is unpowered.

    ``connection`` is that of the series.
    """
    newest = series_reading.newest(
        connection, gateway=gateway, device="", after=None, limit=POINTS_MAX, now_ms=now_ms
    )
    by_device = defaultdict(list)
    for reading in newest:
        by_device[reading.device].append(reading.sample)
    found: dict[str, tuple[int | None, bool]] = {}
    for device, samples in by_device.items():
        silent = all(sample.quality in SILENT for sample in samples)
        unpowered = any(sample.quality is Quality.UNPOWERED for sample in samples)
        found[device] = (max(sample.time_ms for sample in samples) if silent else None, unpowered)
    return found


def device_facts(
    on_lines: Collection[tuple[str, str]],
    stale_since_ms: dict[str, int],
    by_samples: dict[str, tuple[int | None, bool]],
) -> list[DeviceFacts]:
    """Return how the devices of a gateway stand: silent by an alarm or by their newest samples."""
    found = []
    for line, device in on_lines:
        since_ms, unpowered = by_samples.get(device, (None, False))
        found.append(DeviceFacts(line, device, stale_since_ms.get(device, since_ms), unpowered))
    return found


def areas(connection: Connection, area_of: AreaOf) -> dict[str, str]:
    """Return the area of each gateway: that in which most of its first parts are."""
    query = select(devices.c.gateway, devices.c.part).where(devices.c.part != "").order_by(devices.c.gateway)
    parts: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(query):
        if len(parts[row.gateway]) < PARTS_MAX:
            parts[row.gateway].add(row.part)
    found = {}
    for gateway, codes in parts.items():
        counted = Counter(area for code in codes if (area := area_of(connection, code)))
        if counted:
            found[gateway] = min(counted, key=lambda area: (-counted[area], area))
    return found
