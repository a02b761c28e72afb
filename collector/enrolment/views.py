"""What the interface to enrolment takes and answers. Times are UTC milliseconds."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class CodeRequest(BaseModel):
    """For how long the code holds."""

    model_config = ConfigDict(extra="forbid")

    for_s: float = Field(gt=0, le=31 * 86_400)


class CodeView(BaseModel):
    """A one-time code, told this once; ``fingerprint`` is the SHA-256 of the root to be trusted.

    ``url`` is where it is used; empty where the settings do not say.
    """

    gateway: str
    code: str
    expires_ms: int
    url: str
    fingerprint: str


class RevokeRequest(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class RevokedView(BaseModel):
    """What a revocation has done. ``problem`` is empty where the live session is certainly cut.

    ``certificates`` are those that are known here; what is not known is revoked by its name.

    ``refused_after_s`` is when the broker was seen to refuse what is on the list, ``ended_after_s`` when the
    session was ended, both since the order; null: not known.
    """

    gateway: str
    certificates: int
    listed: bool
    refused_after_s: float | None
    ended_after_s: float | None
    problem: str


class CertificateView(BaseModel):
    """A certificate of a gateway. ``origin`` is on what it was issued.

    code, renewal, expired (a renewal after its end), or unknown: it was shown, and was in no table.
    """

    row: int = Field(exclude=True)
    serial: str
    gateway: str
    origin: str
    issued_ms: int
    not_before_ms: int
    not_after_ms: int
    revoked_ms: int | None
    revoked_by: str | None
    reason: str | None


def certificate_view(row: Row[Any]) -> CertificateView:
    """Return a row as the interface tells it."""
    return CertificateView.model_validate(dict(row._mapping))
