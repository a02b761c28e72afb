"""The interface to enrolment, for people: codes, certificates, revocation. Gateways ask by EST, elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from sqlalchemy import Connection

from collector import queries
from collector.database import Database
from collector.enrolment import certificates, codes
from collector.enrolment.codes import CodesError, NewCode
from collector.enrolment.cutting import Cutting
from collector.enrolment.desk import EnrolmentDesk
from collector.enrolment.views import (
    CertificateView,
    CodeRequest,
    CodeView,
    RevokedView,
    RevokeRequest,
    certificate_view,
)
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView
from contract.limits import NAME_CHARACTERS_MAX
from contract.names import NAME_PATTERN

GIVERS = allowed(Role.TECHNICIAN)
REVOKERS = allowed(Role.COMMAND)
NOT_SO: dict[int | str, dict[str, Any]] = {409: {"model": RefusalView}}
OFF = (
    "nobody is enrolled here: [enrolment] in the settings names no authority; "
    "`gengfu collector init FOLDER --district D --host H` makes one"
)
CODE_BYTES = 16

GatewayName = Annotated[str, Path(pattern=NAME_PATTERN.replace(r"\Z", "$"), max_length=NAME_CHARACTERS_MAX)]
Only = Annotated[str, Query(pattern="^[a-z0-9_-]*$", max_length=64, description="Only this one's.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
RowCursor = Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")]


@dataclass(frozen=True)
class Sources:
    """What the interface works with; ``desk`` and ``cutting`` None: nobody is enrolled here."""

    state: Database
    desk: EnrolmentDesk | None
    cutting: Cutting | None
    now_ms: Callable[[], int]
    random_bytes: Callable[[int], bytes]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.post("/gateways/{gateway}/enrolment-code", responses=NOT_SO)
    async def post_code(
        gateway: GatewayName, asked: CodeRequest, actor: Annotated[Actor, Depends(GIVERS)]
    ) -> CodeView:
        """Make a one-time code for a gateway, in place of its last one. It is told this once."""
        if sources.desk is None:
            raise HTTPException(409, OFF)
        settings = sources.desk.settings
        if asked.for_s > settings.code_valid_h_max * 3600:
            raise HTTPException(409, f"a code holds for {settings.code_valid_h_max:g} hours at most")
        now_ms = sources.now_ms()
        new = NewCode(
            gateway, codes.code_of(sources.random_bytes(CODE_BYTES)), now_ms + round(asked.for_s * 1000)
        )
        try:
            await sources.state.write(lambda db: codes.make(db, actor, now_ms, new, settings.codes_max))
        except CodesError as error:
            raise HTTPException(409, str(error)) from error
        return CodeView(
            gateway=gateway,
            code=new.code,
            expires_ms=new.expires_ms,
            url=settings.url,
            fingerprint=sources.desk.authority.fingerprint,
        )

    @routes.post("/gateways/{gateway}/revocation", responses=NOT_SO)
    async def post_revocation(
        gateway: GatewayName, asked: RevokeRequest, actor: Annotated[Actor, Depends(REVOKERS)]
    ) -> RevokedView:
        """Revoke what was issued to a gateway until now, and its code; its session at the broker is cut."""
        desk, now_ms = sources.desk, sources.now_ms()
        if sources.cutting is None or desk is None:
            raise HTTPException(409, OFF)

        def work(connection: Connection) -> int:
            return len(desk.revoke(connection, actor, now_ms, gateway, asked.reason).serials)

        ended = await sources.state.write(work)
        cut = await sources.cutting.cut(gateway)
        return RevokedView(
            gateway=gateway,
            certificates=ended,
            listed=cut.listed,
            refused_after_s=cut.refused_after_s,
            ended_after_s=cut.ended_after_s,
            problem=cut.problem,
        )

    @routes.get("/certificates")
    async def get_certificates(
        gateway: Only = "", limit: Limit = 100, cursor: RowCursor = ""
    ) -> Page[CertificateView]:
        """What was issued to gateways, the newest first."""
        before = int(cursor or 0)
        rows = await sources.state.read(lambda db: certificates.of_gateways(db, gateway, before, limit + 1))
        return queries.page([certificate_view(row) for row in rows], limit, lambda item: str(item.row))

    return routes
