"""Plans as JSON of the TALQ Smart City Protocol 2.7, and back.

A plan becomes one object of lists: ``controlPrograms`` (ControlProgramOne), ``calendars``, ``groups`` and
``assignCommands`` hold TALQ's objects and nothing else; ``services`` tells that days go from noon to noon.
What TALQ has no place for stands beside them in ``x-gengfu-plan``: the plan's name, time zone, places,
cabinets, limits of overrides, and the rules that ask for a condition. Those are no calendar rules there, for
whoever knows no conditions would follow them every night.
"""

from lighting.talq.frame import framed
from lighting.talq.reading import BYTES_MAX, Frame, Imported, imported
from lighting.talq.telling import TalqError
from lighting.talq.writing import exported

__all__ = ["BYTES_MAX", "Frame", "Imported", "TalqError", "exported", "framed", "imported"]
