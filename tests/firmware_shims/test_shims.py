"""What holds for every shim, and how they are chosen."""

import importlib
import pkgutil
from dataclasses import replace

import pytest

import firmware_shims
from device_profiles import catalogue as profiles
from device_profiles import codec
from device_profiles.schema import Profile
from edge.drivers.modbus import Device, ModbusDevice
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from firmware_shims.base import Shim, ShimError, firmware_version
from firmware_shims.catalogue import SHIMS, applied, shim
from simulators.virtual_loop import run_virtually
from tests.talks import BAUD, Script, played
from tests.vector_files import Vectors, all_vectors

each_shim = pytest.mark.parametrize("entry", SHIMS, ids=lambda entry: entry.id)
NARROW = replace(SHIMS[0], firmware_from="1.2", firmware_before="2.0")


@pytest.fixture(scope="module")
def dust() -> Profile:
    """Return the profile that most tests change."""
    return profiles.load_all()["renke_dust"]


def test_every_shim_has_a_file_of_its_own_and_stands_in_the_catalogue() -> None:
    """One defect a file; the catalogue forgets none and repeats none."""
    files = {entry.name for entry in pkgutil.iter_modules(firmware_shims.__path__)} - {"base", "catalogue"}
    assert files == {entry.id for entry in SHIMS}
    assert len(SHIMS) == len(files)


@each_shim
def test_a_shim_states_its_evidence(entry: Shim) -> None:
    """In the file's docstring and in the description: defect, evidence, firmware, end."""
    text = importlib.import_module(f"firmware_shims.{entry.id}").__doc__ or ""
    for word in ("Defect:", "Evidence:", "Firmware:"):
        assert word in text
    for sentence in (entry.defect, entry.evidence, entry.retires):
        assert len(sentence) > 20
        assert sentence.endswith(".")


@each_shim
def test_a_shim_answers_for_every_firmware(entry: Shim) -> None:
    """The range is half-open and not empty, and an unknown firmware has an explicit answer."""
    assert entry.unknown_firmware in ("apply", "refuse")
    if entry.firmware_from is not None and entry.firmware_before is not None:
        assert firmware_version(entry.firmware_from) < firmware_version(entry.firmware_before)
    if entry.firmware_from is not None:
        entry.check_firmware(entry.firmware_from)
    if entry.firmware_before is not None:
        with pytest.raises(ShimError):
            entry.check_firmware(entry.firmware_before)


@each_shim
def test_a_shim_makes_another_valid_profile_of_a_shipped_one(entry: Shim) -> None:
    """It changes something, and leaves what it was given alone."""
    before = profiles.load_all()[entry.profile]
    copy = before.model_copy(deep=True)
    after = entry.apply(before)
    assert before == copy
    assert after != before
    assert Profile.model_validate(after.model_dump(by_alias=True)) == after
    assert after.id == before.id


def reads_otherwise(vectors: Vectors, profile: Profile) -> bool:
    """Say whether an answer means something else, or nothing, by that profile."""
    return any(
        {name: reading.value for name, reading in readings.items()} != read.values
        for read in vectors.read
        for readings in [codec.readings(profile, read.registers(), read.values)]
    )


def writes_otherwise(vectors: Vectors, profile: Profile) -> bool:
    """Say whether a value would be written by other bytes."""

    async def written() -> list[str]:
        frames = []
        for write in vectors.write:
            script = Script([])
            line = VirtualLine("script", Timing.of(BAUD, "N", 1), script)
            driver = ModbusDevice(Device("device", 1, profile, (), 0.1), line)
            await driver.write(write.point, True if write.value is None else write.value, write.self_off_s)
            frames += script.requests
        return frames

    return run_virtually(written()) != [write.request for write in vectors.write]


def talks_otherwise(vectors: Vectors, profile: Profile) -> bool:
    """Say whether something else is said on the line, or understood."""
    return any(
        heard.requests != [each.request for each in talk.said]
        or {name: heard.readings[name].value for name in talk.values} != talk.values
        for talk, heard in zip(vectors.talk, played(vectors, profile), strict=True)
    )


@each_shim
def test_a_shim_is_proven_by_bytes_that_need_it(entry: Shim) -> None:
    """Its vectors hold with it, and some of them do not with all that they name but it.

    They are answers that are read, values that are written, or what is said on the line.
    """
    mine = [vectors for vectors in all_vectors().values() if entry.id in vectors.shims]
    assert mine
    plain = profiles.load_all()[entry.profile]
    differ = (reads_otherwise, writes_otherwise, talks_otherwise)
    for vectors in mine:
        complete = applied(plain, vectors.shims)
        assert not any(otherwise(vectors, complete) for otherwise in differ)
        without = applied(plain, [name for name in vectors.shims if name != entry.id])
        assert any(otherwise(vectors, without) for otherwise in differ)


@each_shim
def test_a_shim_changes_what_it_is_about_and_nothing_else(entry: Shim) -> None:
    """The profile stays the same device: its points keep their names, titles and units."""
    before = profiles.load_all()[entry.profile]
    after = entry.apply(before)
    kept = [point for point in after.points if before.point(point.name)]
    assert {point.name for point in kept} >= {point.name for point in before.points} - {"tsp"}
    for point in kept:
        document = before.point(point.name)
        assert document is not None
        assert (point.title, point.unit, point.type) == (document.title, document.unit, document.type)


def test_shims_of_one_device_are_applied_together() -> None:
    """In any order, where they do not touch the same thing."""
    plain = profiles.load_all()["xy_md02"]
    names = ["xy_md02_from_0", "xy_md02_fc03", "xy_md02_hundredths"]
    complete = applied(plain, names)
    assert complete == applied(plain, names[::-1])
    temperature = complete.point("temperature")
    assert temperature is not None
    assert (temperature.table, temperature.address, temperature.scale) == ("holding_register", 0, 0.01)


def test_an_unknown_shim_is_told_with_a_close_one(dust: Profile) -> None:
    """As every name that a person types."""
    with pytest.raises(ShimError, match=r"no shim is called 'sen0685_map'; did you mean sen0658_map\?"):
        applied(dust, ["sen0685_map"])
    with pytest.raises(ShimError, match=r"known are .*sen0658_map"):
        shim("zzz")


def test_a_shim_for_another_profile_is_refused() -> None:
    """A setting copied to the wrong device must not pass."""
    with pytest.raises(ShimError, match="is for profile renke_dust, not qdy30a; remove it from this device"):
        applied(profiles.load_all()["qdy30a"], ["sen0658_map"])


def test_a_shim_given_twice_is_refused(dust: Profile) -> None:
    """It would correct what is correct already."""
    with pytest.raises(ShimError, match="given twice"):
        applied(dust, ["sen0658_map", "sen0658_map"])


def test_a_shim_that_no_longer_fits_its_profile_is_told(dust: Profile) -> None:
    """A city's own version of a profile may lack what the shim changes."""
    entry = replace(SHIMS[0], change=lambda profile: profile.with_points(profile.points * 2))
    with pytest.raises(ShimError, match="shim sen0658_map does not fit this version of renke_dust"):
        entry.apply(dust)


def test_no_shims_leave_the_profile_as_it_is(dust: Profile) -> None:
    """The common case."""
    assert applied(dust, [], None) == dust


@pytest.mark.parametrize("firmware", ["1.2", "V1.2.0", "1.9.9", "1.99", "1.10"])
def test_firmware_inside_the_range_is_taken(firmware: str) -> None:
    """Versions are numbers, not texts: 1.10 comes after 1.9."""
    NARROW.check_firmware(firmware)


@pytest.mark.parametrize("firmware", ["1.1.9", "2.0", "2.0.0", "2", "10.0", "0"])
def test_firmware_outside_the_range_is_refused(firmware: str) -> None:
    """The upper end is excluded: it is the version that mends the defect."""
    with pytest.raises(
        ShimError, match=r"holds for firmware from 1\.2, firmware before 2\.0, and this device"
    ):
        NARROW.check_firmware(firmware)


def test_an_unknown_firmware_gets_the_answer_of_the_shim() -> None:
    """Apply or refuse, never a guess."""
    NARROW.check_firmware(None)
    with pytest.raises(ShimError, match="needs to know the device's firmware"):
        replace(NARROW, unknown_firmware="refuse").check_firmware(None)


@pytest.mark.parametrize("text", ["", "beta", "1..2", "1.2-rc1", "v", "١.٢", "1" * 10, "1.2 "])
def test_what_is_no_version_is_told(text: str) -> None:
    """A version that cannot be compared is no answer."""
    with pytest.raises(ShimError, match="is no version; write numbers with points"):
        firmware_version(text)
