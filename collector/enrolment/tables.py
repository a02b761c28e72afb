"""The tables of enrolment: one-time codes, what was issued to gateways, and what is revoked."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from collector.tables import STATE, BigId

enrolment_codes = Table(
    "enrolment_codes",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False, unique=True),  # a new code takes the place of the last
    Column("digest", String(64), nullable=False),  # SHA-256 of the code
    Column("made_ms", BigInteger, nullable=False),
    Column("made_by", String(100), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("refused", Integer, nullable=False),  # wrong codes tried for this gateway
    Column("used_ms", BigInteger),  # NULL: not used yet
    Column("used_key", String(64)),  # SHA-256 of the public key that it was used for
    Column("used_serial", String(40)),  # of what was issued for it
)

gateway_certificates = Table(
    "gateway_certificates",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("serial", String(40), nullable=False, unique=True),  # hexadecimal
    Column("gateway", String(64), nullable=False),
    Column("key_digest", String(64), nullable=False),  # SHA-256 of the public key
    Column("der", LargeBinary, nullable=False),
    Column("origin", String(16), nullable=False),  # code, renewal, expired
    Column("issued_ms", BigInteger, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    Column("not_after_ms", BigInteger, nullable=False),
)
Index("gateway_certificates_gateway", gateway_certificates.c.gateway, gateway_certificates.c.issued_ms)
Index("gateway_certificates_over", gateway_certificates.c.not_after_ms)

revocations = Table(
    "revocations",
    STATE,
    Column("serial", String(40), primary_key=True),  # hexadecimal
    Column("gateway", String(64), nullable=False),  # empty where only the former list knows it
    Column("revoked_ms", BigInteger, nullable=False),
    Column("revoked_by", String(100), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("not_after_ms", BigInteger, nullable=False),  # of the certificate; it leaves the list long after
)
Index("revocations_gateway", revocations.c.gateway)
Index("revocations_over", revocations.c.not_after_ms)

gateway_serials = Table(
    "gateway_serials",
    STATE,
    Column("gateway", String(64), primary_key=True),
    Column("used", Integer, nullable=False),  # so many numbers were given to it, or passed over
)

name_revocations = Table(
    "name_revocations",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),  # whatever was issued to it until then
    Column("revoked_ms", BigInteger, nullable=False),
    Column("revoked_by", String(100), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("serials_from", Integer, nullable=False),  # the numbers that what is not known here may have
    Column("serials_to", Integer, nullable=False),  # and the first that it may not
    Column("not_after_ms", BigInteger, nullable=False),  # by then all of it is over
)
Index("name_revocations_gateway", name_revocations.c.gateway, name_revocations.c.revoked_ms)
Index("name_revocations_over", name_revocations.c.not_after_ms)
