"""What a device has answered: the facts that it is judged by. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_profiles.schema import Table
from edge.commissioning.candidates import Run

Cells = dict[tuple[Table, int], int]

REFUSALS = frozenset({"illegal_function", "illegal_data_address", "illegal_data_value"})
"""Answers that say: there is no such thing here."""
SILENT = "timeout"
"""Some devices say that by saying nothing."""
NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Fingerprint:
    """One device's answers. Texts are "" where it has said nothing of the kind.

    ``runs`` has what each read brought: its words, or the error's name.
    """

    unit_id: int
    baud: int
    """How the line ran; 0 where it has no speed."""
    vendor: str = ""
    product: str = ""
    revision: str = ""
    server_id: str = ""
    """Answer to function 17, hexadecimal digits without blanks."""
    runs: Mapping[Run, tuple[int, ...] | str] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Whether it has answered anything at all."""
        said = bool(self.vendor or self.product or self.server_id)
        return said or any(not isinstance(each, str) or each in REFUSALS for each in self.runs.values())

    @property
    def selective(self) -> bool:
        """Whether it refuses some registers: then having others says something."""
        return any(each in REFUSALS or each == SILENT for each in self.runs.values())

    def has(self, run: Run) -> bool | None:
        """Say whether it has these registers; None where nobody knows."""
        told = self.runs.get(run)
        if isinstance(told, str):
            return False if told in REFUSALS or told == SILENT else None
        return None if told is None else True

    def words(self, run: Run) -> tuple[int, ...] | None:
        """Return what a run holds; None where it did not answer."""
        told = self.runs.get(run)
        return None if told is None or isinstance(told, str) else told

    def cells(self, runs: tuple[Run, ...]) -> Cells:
        """Return the registers of these runs by table and address."""
        return {
            (run.table, run.address + index): word
            for run in runs
            for index, word in enumerate(self.words(run) or ())
        }
