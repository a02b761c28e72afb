"""Tables of the register: parts of the city, grids, and what was imported when."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from collector.tables import STATE, BigId

parts = Table(
    "parts",
    STATE,
    Column("code", String(16), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("minor", String(4), nullable=False),  # major and minor class: digits 7 to 10 of the code
    Column("in_charge_code", String(64), nullable=False),  # empty, like all that follow, where not known
    Column("in_charge", String(200), nullable=False),
    Column("owner_code", String(64), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("maintainer_code", String(64), nullable=False),
    Column("maintainer", String(200), nullable=False),
    Column("grid", String(15), nullable=False),
    Column("lon", Float, nullable=False),  # WGS 84, which CGCS2000 is within centimetres
    Column("lat", Float, nullable=False),
    Column("state", String(64), nullable=False),
    Column("recorded_on", String(10), nullable=False),  # a date
    Column("changed_on", String(10), nullable=False),
    Column("source", String(200), nullable=False),
    Column("note", String(500), nullable=False),
    Column("digest", String(16), nullable=False),  # of the row, to see what an import changes
)
Index("parts_minor", parts.c.minor, parts.c.code)
Index("parts_grid", parts.c.grid, parts.c.code)
Index("parts_place", parts.c.lat, parts.c.lon)

grids = Table(
    "grids",
    STATE,
    Column("code", String(15), primary_key=True),
    Column("kind", String(16), nullable=False),  # unit, responsibility, handling
    Column("name", String(200), nullable=False),
    Column("parent", String(15), nullable=False),  # the grid around it, or empty
    Column("polygon", Text, nullable=False),  # a GeoJSON geometry, or empty
    Column("west", Float),  # NULL, like the next three, where there is no polygon
    Column("south", Float),
    Column("east", Float),
    Column("north", Float),
    Column("digest", String(16), nullable=False),
)
Index("grids_kind", grids.c.kind, grids.c.code)
Index("grids_place", grids.c.kind, grids.c.south, grids.c.north)

part_imports = Table(
    "part_imports",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("what", String(16), nullable=False),  # parts or grids
    Column("source", String(255), nullable=False),  # the file's name; "parts_file" for that of the settings
    Column("digest", String(64), nullable=False),  # SHA-256 of the file
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
)
Index("part_imports_source", part_imports.c.source, part_imports.c.row)
