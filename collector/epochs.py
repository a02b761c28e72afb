"""The epochs of a gateway that marks are kept of, and which give way to a new one."""

from collections.abc import Mapping, Set

from sqlalchemy import Connection, delete, func, select

from collector.tables import marks


def known(connection: Connection, gateway: str) -> dict[str, int]:
    """Return a gateway's epochs, and when a mark of each moved last."""
    query = (
        select(marks.c.epoch, func.max(marks.c.moved_ms))
        .where(marks.c.gateway == gateway)
        .group_by(marks.c.epoch)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def giving_way(epochs: Mapping[str, int], listed: Set[str], epochs_max: int) -> list[str]:
    """Return those that make room for one more: the longest unmoved, none that its gateway lists. Pure."""
    oldest_first = sorted(epochs.keys() - listed, key=lambda epoch: epochs[epoch])
    return oldest_first[: max(0, len(epochs) + 1 - epochs_max)]


def forget(connection: Connection, gateway: str, epoch: str) -> None:
    """Drop an epoch's marks. Named again after all, it begins where the gateway begins, as if never heard."""
    connection.execute(delete(marks).where(marks.c.gateway == gateway, marks.c.epoch == epoch))
