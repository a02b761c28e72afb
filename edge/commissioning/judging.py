"""Which profile a fingerprint fits, how well, and why. Pure.

Each fact is worth bits: how much less likely it would be with a device of another kind. A documented register
whose value is credible is worth what chance would seldom give; its own address in the documented place much;
a name is worth most. The sum is compared with that of the others, and with chance.

``certain`` only where the device names itself, has every register that its document gives it, and nothing
contradicts. Registers alone never make certain: nobody knows all maps of the world. ``likely`` where one
candidate is far ahead of chance and of all others; ``ambiguous`` where the bytes do not tell it from another,
or hardly from chance; ``unknown`` where none fits.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from contract.samples import Quality
from device_profiles import codec
from device_profiles.schema import Point, Signature
from edge.commissioning.candidates import Candidate, Run
from edge.commissioning.fingerprint import Cells, Fingerprint

LIKELY_BITS = 18.0
AHEAD_BITS = 6.0
NAME_BITS, OTHER_NAME_BITS = 40.0, -20.0
OWN_ADDRESS_BITS, ADDRESS_ONE_BITS, BAUD_CODE_BITS, VALUE_BITS = 9.0, 5.0, 3.0, 8.0
TEXT_CHARACTER_BITS = 5.0
MISFIT_BITS, IMPLAUSIBLE_BITS = -12.0, -7.0
HIGH_ADDRESS, HIGH_RUN_BITS, LOW_RUN_BITS, END_BITS = 0x20, 4.0, 1.0, 2.0
PLAUSIBLE_BITS_MAX = 8.0
PLAIN_BITS = 3.0
"""A device is rather as documented than otherwise."""
NAME_CHARACTERS_MIN = 3
CANDIDATES_TOLD_MAX = 8


class Verdict(StrEnum):
    """How much the bytes tell."""

    CERTAIN = "certain"
    LIKELY = "likely"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


class Reason(msgspec.Struct, frozen=True):
    """One fact, and what it is worth; ``kind`` is worded for people elsewhere."""

    kind: str
    detail: str
    bits: float


class Ranked(msgspec.Struct, frozen=True):
    """A candidate that is not ruled out, with the reasons. ``bits`` is their sum."""

    profile: str
    shims: tuple[str, ...]
    bits: float
    reasons: list[Reason]


class Identified(msgspec.Struct, frozen=True):
    """What a device is, best first. ``doubt`` says why it is no more certain."""

    unit_id: int
    verdict: Verdict
    candidates: list[Ranked]
    doubt: str
    vendor: str
    product: str
    revision: str


@dataclass
class _Case:
    """The reasons for and against one candidate."""

    candidate: Candidate
    reasons: list[Reason] = field(default_factory=list)
    named: bool = False
    ruled_out: bool = False
    doubtful: bool = False
    """Something does not fit as it should, though it may be so."""

    def add(self, kind: str, detail: str, bits: float) -> None:
        self.reasons.append(Reason(kind, detail, round(bits, 1)))

    @property
    def bits(self) -> float:
        return sum(reason.bits for reason in self.reasons)


def judged(fingerprint: Fingerprint, known: Iterable[Candidate]) -> Identified:
    """Return what the fingerprint fits."""
    cases = [_case(fingerprint, candidate) for candidate in known]
    fitting = sorted(
        (case for case in cases if not case.ruled_out), key=lambda case: (-case.bits, case.candidate.name)
    )
    verdict, doubt = _verdict(fingerprint, fitting)
    if verdict is Verdict.UNKNOWN:
        fitting = []
    return Identified(
        fingerprint.unit_id,
        verdict,
        [
            Ranked(case.candidate.profile.id, case.candidate.shims, round(case.bits, 1), case.reasons)
            for case in fitting[:CANDIDATES_TOLD_MAX]
        ],
        doubt,
        fingerprint.vendor,
        fingerprint.product,
        fingerprint.revision,
    )


def _verdict(fingerprint: Fingerprint, fitting: Sequence[_Case]) -> tuple[Verdict, str]:
    if not fitting or fitting[0].bits <= 0 or not fingerprint.answers:
        return Verdict.UNKNOWN, "no_profile_fits" if fingerprint.answers else "silent"
    best = fitting[0]
    rivals = [
        case
        for case in fitting[1:]
        if case.candidate.profile.id != best.candidate.profile.id and best.bits - case.bits < AHEAD_BITS
    ]
    if rivals:
        return Verdict.AMBIGUOUS, "others_fit_as_well"
    if best.named and not best.doubtful:
        return Verdict.CERTAIN, ""
    if best.bits < LIKELY_BITS or best.doubtful:
        return Verdict.AMBIGUOUS, "something_does_not_fit" if best.doubtful else "could_be_chance"
    return Verdict.LIKELY, "it_does_not_name_itself"


def _case(fingerprint: Fingerprint, candidate: Candidate) -> _Case:
    case = _Case(candidate)
    _weigh_name(case, fingerprint)
    for signature in candidate.signatures:
        _weigh_signature(case, fingerprint, signature)
    _weigh_map(case, fingerprint)
    if not case.ruled_out:
        _weigh_values(case, fingerprint.cells(candidate.runs))
    if not candidate.shims:
        case.add("as_documented", "", PLAIN_BITS)
    return case


def _weigh_name(case: _Case, told: Fingerprint) -> None:
    """Hold what it says of itself against vendor and models."""
    profile = case.candidate.profile
    if len(told.product.strip()) >= NAME_CHARACTERS_MIN:
        product, vendor = told.product.strip().casefold(), told.vendor.strip().casefold()
        is_model = any(fnmatchcase(product, model.casefold()) for model in profile.models)
        is_vendor = not vendor or vendor in profile.vendor.casefold() or profile.vendor.casefold() in vendor
        if is_model and is_vendor:
            case.named = True
            case.add("names_itself", f"{told.vendor} {told.product}".strip(), NAME_BITS)
        else:
            case.doubtful = True
            case.add("names_itself_otherwise", f"{told.vendor} {told.product}".strip(), OTHER_NAME_BITS)
    declared = profile.identification.server_id if profile.identification else ""
    if declared and told.server_id:
        if told.server_id.startswith(declared):
            case.named = case.named or len(declared) >= 2 * NAME_CHARACTERS_MIN
            case.add("server_id", declared, 4.0 * len(declared))
        else:
            case.doubtful = True
            case.add("server_id_otherwise", told.server_id[:32], OTHER_NAME_BITS)


def _weigh_signature(case: _Case, told: Fingerprint, signature: Signature) -> None:
    run = Run(signature.table, signature.address, signature.words)
    where = f"{signature.table} {signature.address:#06x}"
    words = told.words(run)
    if words is None:
        if told.has(run) is False:
            case.doubtful = True
            case.add("signature_missing", where, MISFIT_BITS)
        return
    fits, bits, text = _signature_fits(signature, words, told)
    if fits and signature.says == "text":
        case.named = case.named or len(signature.text.strip("*")) > NAME_CHARACTERS_MIN
    if not fits:
        case.doubtful = True
        bits = MISFIT_BITS
    case.add("signature_fits" if fits else "signature_differs", f"{where} = {text}", bits)


def _signature_fits(
    signature: Signature, words: tuple[int, ...], told: Fingerprint
) -> tuple[bool, float, str]:
    match signature.says:
        case "unit_id":
            bits = ADDRESS_ONE_BITS if told.unit_id == 1 else OWN_ADDRESS_BITS
            return words[0] == told.unit_id, bits, str(words[0])
        case "baud":
            codes = {entry.code: entry.baud for entry in signature.codes}
            said = codes.get(words[0], 0) if codes else words[0]
            return not told.baud or said == told.baud, BAUD_CODE_BITS, str(words[0])
        case "value":
            return words[0] in signature.values, VALUE_BITS, str(words[0])
        case "text":
            data = b"".join(word.to_bytes(2, "big") for word in words)
            text = data.split(b"\0")[0].decode("ascii", errors="replace").strip()
            return fnmatchcase(text, signature.text), TEXT_CHARACTER_BITS * len(signature.text), text
    raise AssertionError(signature.says)


def _weigh_map(case: _Case, told: Fingerprint) -> None:
    """A register that the document gives and the device has not rules the candidate out."""
    for run in case.candidate.runs:
        has = told.has(run)
        where = f"{run.table} {run.address:#06x}, {run.size}"
        if has is False:
            case.ruled_out = True
            case.add("registers_missing", where, MISFIT_BITS)
        elif has and told.selective:
            case.add("registers_there", where, HIGH_RUN_BITS if run.address >= HIGH_ADDRESS else LOW_RUN_BITS)
            if told.has(run.beyond) is False:
                case.add("ends_where_documented", where, END_BITS)


def _weigh_values(case: _Case, cells: Cells) -> None:
    good = odd = 0
    for point in case.candidate.profile.points:
        bits = _plausible_bits(point, cells)
        if bits is None:
            odd += 1
            case.add("value_not_credible", point.name, IMPLAUSIBLE_BITS)
        elif bits:
            good += 1
            case.add("value_credible", point.name, bits)
    case.doubtful = case.doubtful or odd > 0
    if odd > good:
        case.ruled_out = True


def _plausible_bits(point: Point, cells: Cells) -> float | None:
    """Return what a point's value is worth: 0 where it says nothing, None where it is not credible."""
    words = [cells.get((point.table, point.address + index)) for index in range(point.words)]
    reading = codec.decode(point, cells)
    if reading.error == "not_read":
        return 0.0
    if reading.error in ("decimals_not_credible", "unit_code_unknown", "not_a_number"):
        return None
    if not any(words) and point.unit_at is None:  # 0 is what everything begins with
        return 0.0 if reading.quality is Quality.GOOD else None
    if reading.quality is not Quality.GOOD:
        return None
    bits = 0.0
    if point.unit_at is not None:
        bits += min(PLAUSIBLE_BITS_MAX, 16 - math.log2(len(point.unit_codes)))
    if point.type == "f32":
        return bits + (4.0 if _is_human(reading.value) else -4.0)
    if point.range is not None and point.type != "bool":
        low, high = point.range
        room = abs((high - low) / point.scale) + 1
        bits += max(0.0, min(PLAUSIBLE_BITS_MAX, 16 * point.words - math.log2(room)))
    return bits


def _is_human(value: object) -> bool:
    """Whether a float is of a size that somebody measures: chance seldom gives one."""
    return isinstance(value, int | float) and (value == 0 or 1e-3 <= abs(value) <= 1e8)
