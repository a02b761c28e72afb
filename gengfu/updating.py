"""A signed release put in force, and left again where it does not prove itself. Effects come by ``Machine``.

The order is what makes a power cut harmless: everything is on the disk before the link is switched, the
trial is noted before that too, and the guard before each start goes on from there (``releases/guarding.py``).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contract.errors import ContractError
from contract.releases import SIGNATURE_BYTES_MAX, SUFFIX, Offer, opened, ring
from releases import archive as archives
from releases.archive import Manifest, ReleaseError
from releases.deciding import CONTACT_S_MAX, PROOF_S_MAX, Proof, Trial
from releases.shelf import Shelf
from releases.versions import is_older, is_version

PRODUCT = "gengfu-edge"
LOOK_S = 1.0
KEYS_BYTES_MAX = 64 * 1024


class Machine(Protocol):
    """What the update needs of the machine it is on."""

    def runs(self) -> bool:
        """Say whether the service is at work, or is being started."""

    def restart(self) -> None:
        """Start the service out of the release in force now."""

    def self_test(self, release: Path) -> str:
        """Return what a release finds wrong with this machine, or nothing."""

    def proved(self) -> Proof:
        """Return what the gateway has proved last."""

    def forget_proof(self) -> None:
        """Let no proof stand."""

    def had_contact(self) -> bool:
        """Say whether the running gateway is in contact with its centre."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class Wanted:
    """What a person asked for."""

    archive: Path
    keys: Path
    downgrade: bool = False
    without_contact: bool = False


def offered(wanted: Wanted) -> Offer:
    """Return what is vouched for of an archive; ReleaseError where nobody we believe does."""
    signature = wanted.archive.with_name(wanted.archive.name + SUFFIX)
    lines = [
        line.strip()
        for line in _text(wanted.keys, KEYS_BYTES_MAX).splitlines()
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise ReleaseError(
            f"{wanted.keys}: holds no key, so no update is believed; write your maker's key there"
        )
    try:
        offer = opened(_text(signature, SIGNATURE_BYTES_MAX).encode(), ring(lines))
    except ContractError as error:
        raise ReleaseError(f"{signature}: {error}; it is not installed") from error
    if archives.digest(wanted.archive) != offer.sha256:
        raise ReleaseError(f"{wanted.archive}: is not the file that was signed; fetch it again")
    return offer


def admitted(offer: Offer, current: Manifest, wanted: Wanted) -> None:
    """Return if a release may follow the one in force; ReleaseError says why not."""
    if offer.product != PRODUCT or not is_version(offer.version):
        raise ReleaseError(f"{wanted.archive}: is {offer.product} {offer.version}, no release of {PRODUCT}")
    if reason := archives.unfit(Manifest(offer.product, offer.version, offer.python, offer.multiarch, 0)):
        raise ReleaseError(reason)
    if is_older(current.version, offer.version):
        return
    told = f"{offer.version} is not newer than {current.version}, which is in force"
    if not wanted.downgrade:
        raise ReleaseError(f"{told}; give --downgrade if that is what you want")
    if current.version not in offer.may_replace:
        raise ReleaseError(f"{told}, and its maker has not signed that it may take its place")


def update(shelf: Shelf, wanted: Wanted, machine: Machine, say: Callable[[str], None]) -> str:
    """Put a release in force and return its name; ReleaseError says why it is not, and what is instead."""
    offer = offered(wanted)
    with shelf.alone():
        current = shelf.current()
        if not current:
            raise ReleaseError(f"{shelf.root}: no release is in force; install the package first")
        if current == archives.name_of(offer.version, offer.sha256):
            return current
        admitted(offer, shelf.manifest(current), wanted)
        name = _laid_down(shelf, wanted.archive, offer)
        say(f"{name}: unpacked; it tests itself")
        if reason := machine.self_test(shelf.path(name)):
            shelf.prune()
            raise ReleaseError(f"{name} would not work here: {reason}; {current} stays in force")
        needs_contact = not wanted.without_contact and _reaches_centre(shelf, current, machine)
        machine.forget_proof()
        trial = shelf.begin_trial(name, needs_contact=needs_contact)
        if not machine.runs():
            contact = ", and must reach the centre then" if needs_contact else ""
            say(
                f"{name}: in force on trial; the service does not run, so it proves itself when it is "
                f"started{contact}"
            )
            return name
        machine.restart()
        say(f"{name}: started; it has {PROOF_S_MAX:.0f} s to prove itself")
        reason = _awaited(shelf, trial, machine)
        if reason:
            _left(shelf, trial, machine, reason)
            raise ReleaseError(f"{name} {reason}: back to {trial.previous}")
        shelf.confirm(trial)
        shelf.prune()
    return name


def _reaches_centre(shelf: Shelf, current: str, machine: Machine) -> bool:
    """Say whether the release in force is in contact, was so in its last run, or has still to prove it."""
    before = shelf.trial()
    if before is not None and before.release == current and before.needs_contact:
        return True
    return machine.had_contact() if machine.runs() else machine.proved() == Proof(current, contact=True)


def _laid_down(shelf: Shelf, archive: Path, offer: Offer) -> str:
    """Copy, look at the copy again, unpack: what is unpacked is what was signed, whoever writes meanwhile."""
    copy = shelf.root / ".incoming"
    try:
        shutil.copyfile(archive, copy)
        if archives.digest(copy) != offer.sha256:
            raise ReleaseError(f"{archive}: is not the file that was signed; fetch it again")
        said = archives.manifest(copy)
        if (said.product, said.version) != (offer.product, offer.version):
            raise ReleaseError(
                f"{archive}: says it is {said.product} {said.version}; that is not what was signed"
            )
        return shelf.add(copy)
    except OSError as error:
        raise ReleaseError(
            f"{copy}: {(error.strerror or str(error)).lower()}; mend that and try again"
        ) from error
    finally:
        copy.unlink(missing_ok=True)


def _awaited(shelf: Shelf, trial: Trial, machine: Machine) -> str:
    """Wait for the proof; return why there is none, or nothing."""
    waited_s, limit_s = 0.0, PROOF_S_MAX
    while waited_s < limit_s:
        proof = machine.proved()
        if trial.is_proved_by(proof):
            return ""
        if proof.release == trial.release:
            limit_s = PROOF_S_MAX + CONTACT_S_MAX
        if shelf.current() != trial.release:
            return shelf.failed()[1] or "was left"
        machine.sleep(LOOK_S)
        waited_s += LOOK_S
    if machine.proved().release == trial.release:
        return f"works, but has had no contact with the centre for {limit_s:.0f} s, and the one before it had"
    return f"was not at work within {limit_s:.0f} s"


def _left(shelf: Shelf, trial: Trial, machine: Machine, reason: str) -> None:
    """Take up the one before, unless the guard has done so."""
    if shelf.current() == trial.release:
        shelf.roll_back(trial, reason)
        machine.restart()
    shelf.prune()


def _text(path: Path, bytes_max: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(data) > bytes_max:
        raise ReleaseError(f"{path}: is larger than {bytes_max} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{path}: is no text") from error
