"""What a device is said to be: right where its bytes can tell, never a wrong one for certain."""

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commissioning.cabinet import NAMES, VALUES
from bench.commissioning.fingerprints import taken
from bench.commissioning.strangers import mutated, random_map
from contract.samples import Value
from device_profiles import catalogue
from device_profiles.schema import Profile
from edge.commissioning.candidates import candidates, questions
from edge.commissioning.judging import Identified, Verdict, judged
from firmware_shims.catalogue import SHIMS, applied
from simulators.identity import Identity
from simulators.signed_devices import SignedDevice

PROFILES = catalogue.load_all()
KNOWN = candidates(PROFILES)


def identified(
    profile: Profile,
    values: Mapping[str, Value],
    *,
    identity: Identity | None = None,
    taciturn: bool = False,
    unit_id: int = 7,
    baud: int = 9600,
) -> Identified:
    """Return what a device of a profile is found to be."""
    device = SignedDevice(
        "x", profile, values, unit_id=unit_id, baud=baud, identity=identity, taciturn=taciturn
    )
    return judged(taken(device, KNOWN, unit_id=unit_id, baud=baud), KNOWN)


def test_every_question_is_put_once() -> None:
    """About fifty: two seconds of a slow device."""
    asked = questions(KNOWN)
    assert len(asked) == len(set(asked)) < 70


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_device_that_names_itself_and_has_its_registers_is_certain(name: str) -> None:
    """Function 43/14, held against vendor and models of the profile."""
    told = identified(PROFILES[name], VALUES[name], identity=NAMES[name])
    assert (told.verdict, told.candidates[0].profile) == (Verdict.CERTAIN, name)
    assert told.candidates[0].reasons[0].kind == "names_itself"


def test_texts_in_registers_name_a_device_too() -> None:
    """SunSpec's common block, as the profile declares it."""
    told = identified(PROFILES["solaredge_inverter"], {"active_power_limit": 80, "cos_phi": 0.95})
    assert (told.verdict, told.candidates[0].profile) == (Verdict.CERTAIN, "solaredge_inverter")


@pytest.mark.parametrize("name", ["sdm630", "renke_dust", "xy_md02", "wt901c485"])
@pytest.mark.parametrize("taciturn", [False, True])
def test_registers_alone_make_likely_and_never_certain(name: str, taciturn: bool) -> None:
    """Nobody knows all maps of the world."""
    told = identified(PROFILES[name], VALUES[name], taciturn=taciturn)
    assert (told.verdict, told.candidates[0].profile) == (Verdict.LIKELY, name)
    assert told.doubt == "it_does_not_name_itself"


def test_one_register_tells_nothing() -> None:
    """A gauge's level could be anybody's register 0."""
    told = identified(PROFILES["water_gauge"], VALUES["water_gauge"])
    assert told.verdict is Verdict.AMBIGUOUS
    assert told.candidates[0].profile == "water_gauge"


def test_twins_are_told_together() -> None:
    """Eight coils are eight coils."""
    told = identified(PROFILES["relay_board_8"], {})
    assert told.verdict is Verdict.AMBIGUOUS
    assert {each.profile for each in told.candidates} >= {"relay_board_8", "waveshare_relay_8"}


@pytest.mark.parametrize(
    ("shim", "values"),
    [
        ("xy_md02_fc03", VALUES["xy_md02"]),
        ("xy_md02_from_0", VALUES["xy_md02"]),
        ("sdm630_low_word_first", VALUES["sdm630"]),
        ("sen0658_map", {**VALUES["renke_dust"], "illuminance": 4211}),
    ],
)
def test_the_firmware_that_departs_is_told_by_its_shim(shim: str, values: Mapping[str, Value]) -> None:
    """Where the departure shows in the bytes."""
    [entry] = [each for each in SHIMS if each.id == shim]
    profile = applied(PROFILES[entry.profile], [shim])
    fitting = {name: value for name, value in values.items() if profile.point(name)}
    told = identified(profile, fitting)
    assert (told.candidates[0].profile, told.candidates[0].shims) == (entry.profile, (shim,))
    assert told.verdict is not Verdict.CERTAIN


def test_a_device_that_names_itself_otherwise_is_not_taken_for_another() -> None:
    """The same registers, another product: somebody else's clone, or another device."""
    told = identified(
        PROFILES["xy_md02"], VALUES["xy_md02"], identity=Identity({0: b"Acme", 1: b"TH-7", 2: b"9"})
    )
    assert told.verdict in (Verdict.AMBIGUOUS, Verdict.UNKNOWN)


def test_a_name_without_the_registers_is_not_believed() -> None:
    """It says it is a meter and has none of the meter's registers."""
    told = identified(PROFILES["water_gauge"], {"level": 31}, identity=NAMES["sdm630"])
    assert told.verdict is not Verdict.CERTAIN
    assert "sdm630" not in [each.profile for each in told.candidates]


def test_who_answers_nothing_is_unknown() -> None:
    """And that is said."""
    nobody = SignedDevice("x", PROFILES["water_gauge"], {}, unit_id=9, baud=9600)
    told = judged(taken(nobody, [], unit_id=9), KNOWN)
    assert (told.verdict, told.candidates, told.unit_id) == (Verdict.UNKNOWN, [], 9)


@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False))
def test_maps_that_nobody_wrote_a_profile_for_are_never_certain(random: Random) -> None:
    """Random registers, random values, with and without refusals and a name of their own."""
    told = judged(taken(random_map(random), KNOWN), KNOWN)
    assert told.verdict is not Verdict.CERTAIN


@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(PROFILES)))
def test_changed_maps_of_known_devices_are_never_certain(random: Random, name: str) -> None:
    """Registers moved, dropped, of another kind; where they keep the name, something is missing."""
    device, kept_name = mutated(random, PROFILES[name], VALUES.get(name, {}))
    told = judged(taken(device, KNOWN), KNOWN)
    assert told.verdict is not Verdict.CERTAIN, kept_name
