"""What a gateway starts with: the file, a document, or one on trial; whatever cuts and hands have done."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.desired import Outcome
from edge import checks
from edge.configuration import note as notes
from edge.configuration.choosing import FOLDER, KIND, STARTS_MAX, Chosen, choose, given_up
from edge.configuration.note import Note
from edge.desired.held import Held
from edge.desired.shelf import Shelf
from tests.edge.configuration.making import METERS, settings_document, text, written
from tests.faults import recording
from tests.faults.cuts import Cut, Filler
from tests.faults.power import Contents, Disk, lay_out
from tests.faults.recording import Kind, Life
from toml_files import TomlFileError

ONE, TWO = settings_document(1), settings_document(2)
BEGUN = Held().taken(ONE).begun()
IN_FORCE = BEGUN.done()


def shelf(folder: Path) -> Shelf:
    """Return the documents' place."""
    (folder / "state").mkdir(exist_ok=True)
    return Shelf(folder / "state" / FOLDER)


def kept(folder: Path, held: Held) -> Path:
    """Let this be on disk, begun beside the file as it is; return the file."""
    file = written(folder)
    shelf(folder).write(KIND, held)
    notes.write(folder / "state", Note(notes.local_digest(file), list(METERS)))
    return file


def number(chosen: Chosen) -> int:
    """Return which settings these are: a document's sequence, 0 for the file."""
    return chosen.document.desired.sequence if chosen.document else 0


def test_without_a_document_the_file_holds(tmp_path: Path) -> None:
    """One that waits and was not begun changes nothing."""
    assert number(choose(written(tmp_path))) == 0
    assert number(choose(kept(tmp_path, Held().taken(ONE)))) == 0


def test_what_is_in_force_holds_in_place_of_the_file(tmp_path: Path) -> None:
    """It is no trial any more."""
    chosen = choose(kept(tmp_path, IN_FORCE))
    assert (number(chosen), chosen.on_trial, chosen.ended) == (1, False, ())


def test_what_is_begun_is_on_trial_and_who_answered_before_is_waited_for(tmp_path: Path) -> None:
    """For as long as the former settings say."""
    other = settings_document(2, text(2, units=(1, 9, 1)))
    chosen = choose(kept(tmp_path, IN_FORCE.taken(other).begun()))
    assert (number(chosen), chosen.on_trial, chosen.trial_timeout_s) == (2, True, 60)
    assert chosen.expected.devices == {"meter-2"}


def test_what_is_begun_so_often_and_never_proved_is_not_begun_again(tmp_path: Path) -> None:
    """The former holds, and the centre hears why."""
    file = kept(tmp_path, IN_FORCE.taken(TWO).begun())
    assert [number(choose(file)) for _ in range(STARTS_MAX)] == [2] * STARTS_MAX
    chosen = choose(file)
    [(document, outcome, reason, _)] = chosen.ended
    assert (number(chosen), document.desired.sequence, outcome) == (1, 2, Outcome.ROLLED_BACK)
    assert reason.startswith("it was begun 3 times, and the gateway ended each time")
    assert choose(file).ended == ()


def test_a_trial_that_lets_the_gateway_fall_is_given_up(tmp_path: Path) -> None:
    """At once; its reason goes on to whoever starts next."""
    file = kept(tmp_path, IN_FORCE.taken(TWO).begun())
    ended = given_up(file, choose(file), "the gateway fell: OSError: no")
    assert ended is not None
    chosen = choose(file, [ended])
    assert (number(chosen), chosen.ended) == (1, (ended,))


def test_what_was_proved_in_this_life_is_not_given_up_when_the_gateway_falls_later(tmp_path: Path) -> None:
    """It is in force, and stays so: whoever falls then falls as any gateway does."""
    file = kept(tmp_path, IN_FORCE.taken(TWO).begun())
    chosen = choose(file)
    shelf(tmp_path).write(KIND, shelf(tmp_path).read(KIND).held.done())
    assert given_up(file, chosen, "the gateway fell: OSError: no") is None
    assert (number(choose(file)), choose(file).ended) == (2, ())


def test_a_file_that_a_hand_has_changed_is_newer_than_any_document(tmp_path: Path) -> None:
    """In force or on trial, and it stays so at the next start."""
    file = kept(tmp_path, IN_FORCE.taken(TWO).begun())
    file.write_text(text("changed by hand"))
    chosen = choose(file)
    assert number(chosen) == 0
    assert [(each.document.desired.sequence, each.outcome) for each in chosen.ended] == [
        (1, Outcome.OVERRIDDEN),
        (2, Outcome.OVERRIDDEN),
    ]
    assert (number(choose(file)), choose(file).ended) == (0, ())


@pytest.mark.parametrize(
    ("bad", "why"),
    [("not = [toml", "TOML"), (text(2, more="unheard_of = 1"), "unheard_of"), (text(2, keys='"x"'), "keys")],
)
def test_a_trial_that_cannot_be_read_any_more_gives_way(tmp_path: Path, bad: str, why: str) -> None:
    """Other software may know other keys."""
    chosen = choose(kept(tmp_path, IN_FORCE.taken(settings_document(2, bad)).begun()))
    [ended] = chosen.ended
    assert (number(chosen), ended.outcome) == (1, Outcome.ROLLED_BACK)
    assert why in ended.reason


def test_what_is_in_force_and_cannot_be_read_any_more_gives_way_too(tmp_path: Path) -> None:
    """To the former document, and where that is no better, to the file."""
    bad = [settings_document(n, text(n, more=f"unheard_of = {n}")) for n in (2, 3)]
    held = IN_FORCE
    for document in bad:
        held = held.taken(document).begun().done()
    file = kept(tmp_path, held)
    chosen = choose(file)
    assert number(chosen) == 0
    assert [each.document.desired.sequence for each in chosen.ended] == [3, 2]


def on_ports(changes: dict[str, Path], body: str) -> str:
    """Return the settings with serial lines in place of the two of TCP."""
    for name, tcp in (("near", 8), ("far", 9)):
        line = f'kind = "tcp"\nname = "{name}"\nhost = "127.0.0.1"\nport = {tcp}'
        assert line in body
        serial = f'kind = "serial"\nname = "{name}"\nport = "{changes[name]}"\nbaud = 9600'
        body = body.replace(line, serial)
    return body


def test_ports_that_lead_to_one_adapter_at_one_start_keep_nothing_from_holding(tmp_path: Path) -> None:
    """Adapters come in another order at a boot; which of two lines gets the port its opening tells."""
    ports = {"near": tmp_path / "by-path", "far": tmp_path / "ttyUSB1"}
    ports["near"].symlink_to(os.devnull)
    ports["far"].symlink_to(os.devnull)
    file = kept(tmp_path, Held().taken(settings_document(1, on_ports(ports, text(1)))).begun().done())
    file.write_text(on_ports(ports, text()))
    notes.write(tmp_path / "state", Note(notes.local_digest(file), list(METERS)))
    with pytest.raises(TomlFileError, match="lead to one bus"):
        checks.load(file)
    chosen = choose(file)
    assert (number(chosen), chosen.ended) == (1, ())
    assert shelf(tmp_path).read(KIND).held.current is not None


def test_two_lines_that_are_one_by_their_text_are_refused_at_a_start_too(tmp_path: Path) -> None:
    """Whatever the file system says."""
    ports = {"near": tmp_path / "ttyUSB1", "far": tmp_path / "." / "ttyUSB1"}
    file = written(tmp_path)
    file.write_text(on_ports(ports, text()))
    with pytest.raises(TomlFileError, match="lead to one bus"):
        choose(file)


def test_what_the_machine_lacks_at_one_start_is_in_force_again_at_the_next(tmp_path: Path) -> None:
    """A mount comes late: the former holds as long, and the centre hears of both."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    body = text(2).replace('state_folder = "state"', 'state_folder = "state"\nprofile_folders = ["profiles"]')
    file = kept(tmp_path, IN_FORCE.taken(settings_document(2, body)).begun().done())
    assert number(choose(file)) == 2
    profiles.rename(tmp_path / "away")
    for told in ([(2, Outcome.ROLLED_BACK)], [(2, Outcome.ROLLED_BACK)]):
        chosen = choose(file)
        assert (number(chosen), [(e.document.desired.sequence, e.outcome) for e in chosen.ended]) == (1, told)
        assert "profiles is no folder" in chosen.ended[0].reason
        assert "next start" in chosen.ended[0].reason
    (tmp_path / "away").rename(profiles)
    chosen = choose(file)
    assert number(chosen) == 2
    assert [(e.document.desired.sequence, e.outcome) for e in chosen.ended] == [(2, Outcome.IN_FORCE)]
    assert choose(file).ended == ()


def test_documents_of_another_gateway_are_not_used(tmp_path: Path) -> None:
    """A card was put into another cabinet, whose file has its own name."""
    file = kept(tmp_path, IN_FORCE)
    file.write_text(text(gateway="gw-2"))
    chosen = choose(file)
    assert (number(chosen), chosen.loaded.settings.gateway, chosen.ended) == (0, "gw-2", ())


def test_a_file_with_mistakes_is_told_with_its_line(tmp_path: Path) -> None:
    """Whatever the centre has sent."""
    file = kept(tmp_path, IN_FORCE)
    file.write_text(text(more="unheard_of = 1"))
    with pytest.raises(TomlFileError, match="unheard_of"):
        choose(file)


@pytest.mark.parametrize(
    "left", [b"{half", b'{"local": "ab\xff", "answering": []}', b'{"a":' + b"[" * 10_000]
)
def test_a_note_that_is_gone_leaves_the_trial_to_contact_alone(tmp_path: Path, left: bytes) -> None:
    """Whether the file was changed is not known then: the document stays."""
    file = kept(tmp_path, BEGUN)
    (tmp_path / "state" / notes.FILE_NAME).write_bytes(left)
    chosen = choose(file)
    assert (number(chosen), chosen.on_trial, chosen.answering) == (1, True, ())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, as long as the test runs."""
    made = recording.scratch()
    yield made
    shutil.rmtree(made)


def wrong(folder: Path, seed: int, weaken: str = "") -> list[str]:
    """Cut the power after each operation of a life; return where a gateway does not come back to the good.

    Three cuts in four leave what another has left: what comes of a disk is looked at once.
    """
    (folder / "disk").mkdir()
    life = Life("configuration_life", seed, 7, weaken)
    written(folder / "disk")
    operations = recording.record(recording.build(folder), life, folder / "disk")
    disk, good, found = Disk(), [0], []
    come_of: dict[frozenset[tuple[str, bytes | None]], tuple[int, int]] = {}
    for position, operation in enumerate(operations):
        disk.apply(operation)
        if operation.kind is Kind.MARK:
            good = json.loads(operation.data).get("note", {}).get("good", good)
        cut = Cut(position, position, position % 3 / 2, torn=position % 2 == 0, filler=Filler.NOISE)
        left = disk.after(cut)
        if (key := frozenset(left.items())) not in come_of:
            come_of[key] = started(left, folder / f"{position}")
        chosen, starts = come_of[key]
        if chosen not in good or starts > STARTS_MAX + 1:
            found.append(f"{position}: {chosen} in place of {good} at start {starts}")
    return found


def started(left: Contents, place: Path) -> tuple[int, int]:
    """Start until nothing is on trial; return which settings hold then, and after how many starts."""
    place.mkdir()
    lay_out(left, place)
    file = written(place)
    starts = [choose(file)]
    while starts[-1].on_trial and len(starts) < STARTS_MAX + 2:
        starts.append(choose(file))
    shutil.rmtree(place)
    return number(starts[-1]), len(starts)


@pytest.mark.parametrize("seed", [1])
def test_whenever_the_power_fails_a_gateway_comes_back_to_what_is_good(folder: Path, seed: int) -> None:
    """Whatever of the unsynced arrives, and also where nobody ever proves what was begun."""
    assert wrong(folder, seed) == []


def test_without_syncs_the_same_cuts_show_it(folder: Path) -> None:
    """A negative control."""
    assert wrong(folder, 1, "unsynced")
