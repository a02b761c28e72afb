"""A signed release put in force, and left where it does not prove itself; the machine's answers are scripted.

Under a real systemd all of it is played by ``tests/faults/updates.py``.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.releases import SUFFIX, Offer, signed
from contract.signing import TYPE, SigningKey
from gengfu.updating import Wanted, update
from releases.archive import ReleaseError, digest, manifest
from releases.deciding import CONTACT_S_MAX, PROOF_S_MAX, Proof
from releases.guarding import guard
from releases.shelf import Shelf
from tests.releases.making import release

KEY = SigningKey.make()
NO_PROOF = Proof()


@dataclass
class Machine:
    """Answers as it is told; a release that is started proves itself after ``proves_after_s``, or never."""

    shelf: Shelf
    is_running: bool = True
    finds: str = ""
    proves_after_s: float = 20.0
    contact_after_s: float = 30.0
    contact_before: bool = False
    crashes: bool = False
    waited_s: float = 0.0
    started: list[str] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    proof: Proof = NO_PROOF
    killed_after_s: float = 1e9

    def runs(self) -> bool:
        """See Machine."""
        return self.is_running

    def restart(self) -> None:
        """See Machine."""
        guard(self.shelf, self.shelf.root / "none")
        self.started.append(self.shelf.current())
        self.waited_s = 0.0

    def self_test(self, release: Path) -> str:
        """See Machine."""
        self.tested.append(release.name)
        return self.finds

    def proved(self) -> Proof:
        """See Machine."""
        return self.proof

    def forget_proof(self) -> None:
        """See Machine."""
        self.proof = NO_PROOF

    def had_contact(self) -> bool:
        """See Machine."""
        return self.contact_before

    def sleep(self, seconds: float) -> None:
        """See Machine; one that crashes is started again every ten seconds."""
        self.waited_s += seconds
        if self.waited_s >= self.killed_after_s:
            raise KeyboardInterrupt
        if self.crashes:
            if self.waited_s % 10 == 0:
                guard(self.shelf, self.shelf.root / "none")
        elif self.waited_s >= self.proves_after_s:
            self.proof = Proof(self.shelf.current(), self.waited_s >= self.contact_after_s)


def offer_of(archive: Path, may_replace: list[str]) -> Offer:
    """Return what a maker vouches for."""
    said = manifest(archive)
    return Offer(1, said.product, said.version, said.python, said.multiarch, digest(archive), may_replace)


def sign(archive: Path, key: SigningKey = KEY, may_replace: list[str] | None = None) -> Path:
    """Lay the signature beside a release."""
    message = signed(offer_of(archive, may_replace or []), key)
    archive.with_name(archive.name + SUFFIX).write_bytes(message)
    return archive


class Site:
    """A shelf with 1.0.0 in force, the machine, and the keys that are believed."""

    def __init__(self, folder: Path) -> None:
        """Lay it down."""
        self.folder = folder
        self.shelf = Shelf(folder / "opt")
        with self.shelf.alone():
            self.old = self.shelf.add(release(folder / "1.0.0", "1.0.0"))
        self.shelf.switch(self.old)
        self.machine = Machine(self.shelf)
        self.keys = folder / "release_keys"
        self.keys.write_text(f"# ours\n{KEY.public.line}\n")

    def update(self, archive: Path, **given: bool) -> str:
        """Ask for it."""
        return update(self.shelf, Wanted(archive, self.keys, **given), self.machine, lambda _told: None)

    def refuses(self, archive: Path, **given: bool) -> str:
        """Return why it is not done; the old release is in force, whole and alone, and was not disturbed."""
        with pytest.raises(ReleaseError) as caught:
            self.update(archive, **given)
        assert (self.shelf.current(), self.shelf.trial()) == (self.old, None)
        assert self.machine.started == []
        assert not list(self.shelf.root.glob(".incoming"))
        return str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Lend one."""
    return Site(tmp_path)


def test_a_release_that_proves_itself_stays_and_the_one_before_is_kept(site: Site) -> None:
    """It tested itself before it was started, once."""
    name = site.update(sign(release(site.folder / "new", "1.1.0")))
    assert name.startswith("1.1.0-")
    assert (site.shelf.current(), site.shelf.previous(), site.shelf.trial()) == (name, site.old, None)
    assert site.machine.tested == site.machine.started == [name]
    assert site.update(site.folder / "new") == name  # again: it is there
    assert site.machine.started == [name]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"proves_after_s": 1e9}, f"was not at work within {PROOF_S_MAX:.0f} s"),
        ({"crashes": True}, "started 3 times and never at work for long"),
        ({"contact_before": True, "contact_after_s": 1e9}, "has had no contact with the centre"),
    ],
)
def test_a_release_that_does_not_prove_itself_is_left(
    given: dict[str, float], reason: str, site: Site
) -> None:
    """Whoever notices first, the updater or the guard, the one before is in force again and is started."""
    for name, value in given.items():
        setattr(site.machine, name, value)
    with pytest.raises(ReleaseError, match=reason):
        site.update(sign(release(site.folder / "new", "1.1.0")))
    assert (site.shelf.current(), site.shelf.trial()) == (site.old, None)
    assert site.shelf.names() == {site.old}
    assert reason in site.shelf.failed()[1]
    if not site.machine.crashes:
        assert site.machine.started[-1] == site.old


def test_contact_is_waited_for_where_there_was_some_and_only_there(site: Site) -> None:
    """Late contact counts; a person may do without."""
    site.machine.contact_before = True
    site.machine.contact_after_s = PROOF_S_MAX + CONTACT_S_MAX / 2
    name = site.update(sign(release(site.folder / "new", "1.1.0")))
    assert site.shelf.current() == name
    site.machine.contact_after_s = 1e9
    name = site.update(sign(release(site.folder / "newer", "1.2.0")), without_contact=True)
    assert site.shelf.current() == name


def test_a_release_whose_self_test_finds_something_is_never_started(site: Site) -> None:
    """And is not kept."""
    site.machine.finds = "its buffer is of a form that it does not know"
    assert "does not know; " in site.refuses(sign(release(site.folder / "new", "1.1.0")))
    assert site.shelf.names() == {site.old}


def test_where_the_service_does_not_run_the_release_is_on_trial_until_it_does(site: Site) -> None:
    """Nobody is waited for."""
    site.machine.is_running = False
    name = site.update(sign(release(site.folder / "new", "1.1.0")))
    trial = site.shelf.trial()
    assert trial is not None
    assert (trial.release, trial.previous, site.machine.started) == (name, site.old, [])


@pytest.mark.parametrize("had_contact", [True, False])
def test_a_release_must_reach_the_centre_although_nobody_waits_for_it(had_contact: bool, site: Site) -> None:
    """The command is killed; that the one before had contact is known to the guard."""
    site.machine.contact_before = had_contact
    site.machine.contact_after_s = 1e9
    site.machine.killed_after_s = 10.0
    with pytest.raises(KeyboardInterrupt):
        site.update(sign(release(site.folder / "new", "1.1.0")))
    new = site.shelf.current()
    proof = site.folder / "proof.json"
    proof.write_text(f'{{"release": "{new}", "contact": false}}')
    for _ in range(5):
        guard(site.shelf, proof)
    assert site.shelf.current() == (site.old if had_contact else new)
    assert site.shelf.trial() is None


@pytest.mark.parametrize(
    ("contact", "given", "needs"),
    [(True, {}, True), (True, {"without_contact": True}, False), (False, {}, False)],
)
def test_where_the_service_is_stopped_its_last_run_tells_whether_contact_is_needed(
    contact: bool, given: dict[str, bool], needs: bool, site: Site
) -> None:
    """By the proof of the release in force; another's tells nothing, nor does an unproved trial forget it."""
    site.machine.is_running = False
    site.machine.proof = Proof(site.old, contact)
    site.update(sign(release(site.folder / "new", "1.1.0")), **given)
    trial = site.shelf.trial()
    assert trial is not None
    assert trial.needs_contact is needs
    site.machine.proof = Proof("0.1.0-00000000", contact=True)
    site.update(sign(release(site.folder / "newer", "1.2.0")))
    trial = site.shelf.trial()
    assert trial is not None
    assert trial.needs_contact is needs


def test_only_what_a_pinned_key_has_signed_as_a_release_is_taken(site: Site) -> None:
    """No signature, a stranger's, one of a document, one of another file, one that was changed."""
    new = release(site.folder / "new", "1.1.0")
    assert "cannot be read: no such file" in site.refuses(new)
    assert "is not pinned here" in site.refuses(sign(new, SigningKey.make()))
    signature = new.with_name(new.name + SUFFIX)
    signature.write_bytes(KEY.sign(b'{"schema": 1}', TYPE))
    assert "its header is not that of" in site.refuses(new)
    signature.write_bytes(KEY.sign(b'{"schema": 1}', "gengfu-release+jws"))
    assert "no release of this form" in site.refuses(new)
    sign(release(site.folder / "other", "1.1.0", "other"))
    signature.write_bytes((site.folder / f"other{SUFFIX}").read_bytes())
    assert "is not the file that was signed" in site.refuses(new)
    sign(new)
    whole = signature.read_bytes()
    for index in range(0, len(whole), 7):
        signature.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        site.refuses(new)
    site.keys.write_text("# none yet\n")
    sign(new)
    assert "holds no key" in site.refuses(new)


def test_a_file_that_is_changed_while_it_is_looked_at_is_not_unpacked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is looked at again: what is unpacked is what was signed."""
    new = sign(release(site.folder / "new", "1.1.0"))
    other = release(site.folder / "other", "1.1.0", "other")
    monkeypatch.setattr("shutil.copyfile", lambda _source, target: target.write_bytes(other.read_bytes()))
    assert "is not the file that was signed" in site.refuses(new)


def test_an_older_release_needs_the_person_s_word_and_its_maker_s(site: Site) -> None:
    """The maker's names the version that it may take the place of."""
    older = release(site.folder / "older", "0.9.0")
    assert "give --downgrade" in site.refuses(sign(older))
    assert "has not signed" in site.refuses(sign(older), downgrade=True)
    assert "has not signed" in site.refuses(sign(older, may_replace=["1.0.1"]), downgrade=True)
    assert "give --downgrade" in site.refuses(sign(older, may_replace=["1.0.0"]))
    assert site.update(older, downgrade=True).startswith("0.9.0-")
    rebuilt = release(site.folder / "rebuilt", "0.9.0", "rebuilt")
    with pytest.raises(ReleaseError, match="is not newer"):
        site.update(sign(rebuilt))


def test_a_release_of_the_centre_or_for_another_machine_is_refused(site: Site) -> None:
    """However well it is signed."""
    new = release(site.folder / "new", "1.1.0")
    offer = offer_of(new, [])
    for changed, reason in (
        ({"product": "gengfu-collector"}, "no release of gengfu-edge"),
        ({"python": "3.99"}, "built for Python 3.99"),
        ({"multiarch": "sparc-linux-gnu"}, "on sparc-linux-gnu"),
        ({"version": "1.2.0"}, "that is not what was signed"),
    ):
        fields = {name: getattr(offer, name) for name in offer.__struct_fields__}
        message = signed(Offer(**(fields | changed)), KEY)
        new.with_name(new.name + SUFFIX).write_bytes(message)
        assert reason in site.refuses(new)
