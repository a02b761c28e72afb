"""Gateways and their devices, as they tell of themselves."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector import connections, storable
from collector.held import Lookup
from collector.tables import devices, gateways
from contract.messages import DeviceEntry, Hello, State

_NAMED = Lookup(select(devices), devices.c.gateway, devices.c.device)


def is_known(connection: Connection, gateway: str) -> bool:
    """Say whether the gateway was heard before."""
    return (
        connection.execute(select(gateways.c.gateway).where(gateways.c.gateway == gateway)).first()
        is not None
    )


def known(connection: Connection, names: Collection[str]) -> set[str]:
    """Return which of these gateways were heard before."""
    return set(connection.scalars(select(gateways.c.gateway).where(gateways.c.gateway.in_(names))))


def count(connection: Connection) -> int:
    """Return how many gateways were ever heard."""
    return connection.execute(select(func.count()).select_from(gateways)).scalar_one()


def names(connection: Connection) -> list[str]:
    """Return every gateway that was ever heard."""
    return list(connection.scalars(select(gateways.c.gateway)))


def devices_of(connection: Connection, names: Collection[str]) -> dict[str, list[str]]:
    """Return the devices that each of these gateways named when it said hello last; none of the others."""
    rows = connection.execute(
        select(devices.c.gateway, devices.c.device)
        .where(devices.c.gateway.in_(names))
        .order_by(devices.c.gateway, devices.c.device)
    )
    found: dict[str, list[str]] = {}
    for gateway, device in rows:
        found.setdefault(gateway, []).append(device)
    return found


def devices_named(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row[Any]]:
    """Return what gateways say of devices, by (gateway, device), as far as they are known."""
    return {(row.gateway, row.device): row for row in _NAMED.rows(connection, keys)}


def add(connection: Connection, gateway: str, heard_ms: int) -> None:
    """Add a gateway of which nothing else is known yet."""
    connection.execute(plain_insert(gateways).values(gateway=gateway, heard_ms=heard_ms))


def heard(connection: Connection, gateway: str, heard_ms: int) -> None:
    """Note that the gateway gave a sign of life."""
    connection.execute(update(gateways).where(gateways.c.gateway == gateway).values(heard_ms=heard_ms))


def said_ms(connection: Connection, hello: Hello) -> int | None:
    """Return when this very hello was heard first, None if it was not; later ones of its gateway hide it."""
    said = select(gateways.c.hello_ms).where(
        gateways.c.gateway == hello.gateway,
        gateways.c.boot_id == hello.boot_id,
        gateways.c.sent_ms == hello.sent_ms,
    )
    heard_ms: int | None = connection.execute(said).scalar()
    return heard_ms


def greeted(connection: Connection, hello: Hello, received_ms: int, *, retained: bool) -> None:
    """Take what a hello says of the gateway, and replace its list of devices.

    One that the broker ``retained`` and that is known already was said when it was heard first.
    """
    if retained:
        received_ms = said_ms(connection, hello) or received_ms
    connection.execute(
        update(gateways)
        .where(gateways.c.gateway == hello.gateway)
        .values(
            hello_ms=received_ms,
            boot_id=hello.boot_id,
            software=storable.text(hello.software),
            clock=str(hello.clock),
            sent_ms=hello.sent_ms,
        )
    )
    told = {entry.device: _row(hello.gateway, storable.struct(entry)) for entry in hello.devices}
    rows = connection.execute(select(devices).where(devices.c.gateway == hello.gateway)).mappings()
    if {row["device"]: dict(row) for row in rows} == told:
        return
    connection.execute(delete(devices).where(devices.c.gateway == hello.gateway))
    if told:
        connection.execute(plain_insert(devices), list(told.values()))


def changed_state(
    connection: Connection, gateway: str, state: State, received_ms: int, *, retained: bool
) -> None:
    """Note whether the gateway is connected; a ``retained`` state that is known already is no news."""
    where = [gateways.c.gateway == gateway]
    if retained:
        where.append(gateways.c.online.is_distinct_from(state.online))
    connection.execute(update(gateways).where(*where).values(online=state.online, state_ms=received_ms))
    connections.changed(connection, gateway, state.online, received_ms)


def _row(gateway: str, entry: DeviceEntry) -> dict[str, str]:
    return {
        "gateway": gateway,
        "device": entry.device,
        "profile": entry.profile,
        "line": entry.line,
        "title": entry.title,
        "part": entry.part,
    }
