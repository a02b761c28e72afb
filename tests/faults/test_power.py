"""The disk of the laboratory keeps what was synced, and loses the rest in every way it may."""

from random import Random

from tests.faults.cuts import Cut, Filler
from tests.faults.power import Disk
from tests.faults.recording import Kind, Operation

FILE, FOLDER = 3, 4
OLD, NEW = b"o" * 2_048, b"n" * 2_048


def operation(kind: Kind, fd: int = FILE, *, offset: int = 0, path: str = "", data: bytes = b"") -> Operation:
    """Return one operation."""
    return Operation(kind, fd, offset, path, data)


OPENED = [operation(Kind.OPEN, FOLDER), operation(Kind.OPEN, path="file")]
SYNCED = [*OPENED, operation(Kind.WRITE, data=OLD), operation(Kind.SYNC), operation(Kind.SYNC, FOLDER)]


def remains(operations: list[Operation], *, torn: bool = False) -> list[dict[str, bytes | None]]:
    """Return what many cuts after these operations leave."""
    disk = Disk()
    for one in operations:
        disk.apply(one)
    random = Random(5)
    return [
        disk.after(Cut(len(operations), seed, random.choice((0.0, 0.2, 0.5, 0.8, 1.0)), torn, Filler.ZEROS))
        for seed in range(300)
    ]


def test_what_was_synced_is_there() -> None:
    """File and name, whatever else happens."""
    assert all(left["file"] == OLD for left in remains(SYNCED))


def test_an_unsynced_write_arrives_by_whole_sectors_in_any_order() -> None:
    """Each of four sectors is old or new, and all sixteen combinations are met."""
    met = {left["file"] for left in remains([*SYNCED, operation(Kind.WRITE, data=NEW)])}
    assert met == {
        b"".join((NEW if number >> sector & 1 else OLD)[:512] for sector in range(4)) for number in range(16)
    }


def test_a_torn_sector_is_new_at_one_end() -> None:
    """What stands in it is neither all old nor all new, and changes once."""
    met = {left["file"] for left in remains([*SYNCED, operation(Kind.WRITE, data=NEW[:512])], torn=True)}
    sectors = [data[:512] for data in met if data]
    assert all(sector.count(b"on") + sector.count(b"no") <= 1 for sector in sectors)
    assert any(b"on" in sector for sector in sectors)
    assert any(b"no" in sector for sector in sectors)


def test_a_file_may_have_grown_without_its_data_or_not_at_all() -> None:
    """Its size comes before, with or without what was written."""
    met = {left["file"] for left in remains([*SYNCED, operation(Kind.WRITE, offset=2_048, data=NEW[:512])])}
    assert met == {OLD, OLD + bytes(512), OLD + NEW[:512]}


def test_a_name_is_sure_only_once_its_folder_was_synced() -> None:
    """A synced file is of no use under a name that is gone; a removed one may come back."""
    unnamed = [*OPENED, operation(Kind.WRITE, data=OLD), operation(Kind.SYNC)]
    assert {left.get("file") for left in remains(unnamed)} == {None, OLD}
    removed = [*SYNCED, operation(Kind.UNLINK, path="file")]
    assert {left.get("file") for left in remains(removed)} == {None, OLD}
    assert {left.get("file") for left in remains([*removed, operation(Kind.SYNC, FOLDER)])} == {None}


def test_a_rename_happens_as_a_whole() -> None:
    """Under the old name or the new one, never both, never none."""
    renamed = [*SYNCED, operation(Kind.RENAME, path="file", data=b"other")]
    met = {tuple(sorted(set(left) - {""})) for left in remains(renamed)}
    assert met == {("file",), ("other",)}


def test_a_second_cut_begins_with_what_the_first_one_left() -> None:
    """All of that is sure; SQLite's index of the WAL is not looked at."""
    disk = Disk({"": None, "file": OLD, "file-shm": b"noise"})
    disk.apply(operation(Kind.OPEN, path="file"))
    disk.apply(operation(Kind.WRITE, data=NEW))
    assert disk.after(Cut(2, 1, 0.0, torn=False, filler=Filler.ZEROS)) == {"": None, "file": OLD}
    assert disk.contents() == {"": None, "file": NEW}
