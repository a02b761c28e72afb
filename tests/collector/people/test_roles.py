"""Who may do what: every route that changes something says who, and what it does is on the audit trail."""

import ast
import asyncio
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.responses import Response
from starlette.routing import BaseRoute

from collector.people import acting
from collector.people.acting import Allowed, Open, allowed
from collector.people.roles import Role
from collector.people.tables import sessions
from collector.tables import commands
from tests.collector.making import rows
from tests.collector.people.making import PASSWORD, House, house

READING = {"GET", "HEAD", "OPTIONS"}
COMMANDER = Annotated[Any, Depends(allowed(Role.COMMAND))]
SWITCH = {"kind": "switch", "target": "relays/relay_1", "value": True, "for_s": 60, "who": "somebody else"}
C, L, T = Role.COMMAND, Role.LIGHTING, Role.TECHNICIAN

CHANGES: list[tuple[str, str, dict[str, Any], set[Role]]] = [
    ("POST", "/gateways/gw-1/commands", SWITCH, {C, T}),
    ("PUT", "/desired/lamp_overrides", {"documents": {"gw-1": '{"overrides":[]}'}}, {L}),
    ("PUT", "/desired/configuration", {"documents": {"gw-1": "schema = 1"}}, {T}),
    ("POST", "/rollouts", {"documents": {"gw-1": "schema = 1"}}, {T}),
    ("POST", f"/rollouts/{'0' * 32}/stop", {}, {T}),
    ("PUT", "/lamps/plan", {"text": ""}, {L}),
    ("POST", "/lamps/overrides", {"addresses": ["gw-1/*"], "level": 1, "reason": "x"}, {L, C}),
    ("POST", "/lamps/overrides/cancel", {"addresses": ["gw-1/*"]}, {L, C}),
    ("POST", "/lamps/conditions", {"condition": "fog", "for_s": 60}, {L, C}),
    ("POST", "/periods", {"period": "flood-watch", "gateways": ["gw-1"], "for_s": 60}, {L, C}),
    ("POST", "/platforms/waiting/1/resolve", {"decision": "taken"}, {C}),
    ("POST", "/users", {"name": "new", "role": "command", "password": PASSWORD}, set()),
    ("PATCH", "/users/read_only", {"display_name": "x"}, set()),
    ("PUT", "/users/nobody/password", {"password": PASSWORD}, set()),
    ("DELETE", "/users/nobody/sessions", {}, set()),
    ("DELETE", "/users/nobody", {}, set()),
    ("POST", "/tokens", {"name": "new", "role": "command"}, set()),
    ("DELETE", "/tokens/nothing", {}, set()),
]


def changing(found: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Yield every route that changes something, also those of applications within the application."""
    for route in iter_route_contexts(found):
        inner = getattr(route.original_route, "routes", None)
        if inner:
            yield from changing(inner)
        elif (route.methods or set()) - READING:
            yield route


def asked_of(dependant: Dependant) -> Iterator[Any]:
    """Yield whatever a route depends on, and what that depends on."""
    yield dependant.call
    for each in dependant.dependencies:
        yield from asked_of(each)


def failings(found: Sequence[BaseRoute]) -> list[str]:
    """Return what routes that change something do not say: who may, and that somebody did."""
    told = []
    for route in changing(found):
        calls = list(asked_of(route.dependant)) if isinstance(route.original_route, APIRoute) else []
        if not any(isinstance(call, Allowed | Open) for call in calls):
            told.append(f"{route.path}: no role; depend on allowed(...)")
        elif not any(isinstance(call, Open) for call in calls) and not notes(route.endpoint):
            told.append(f"{route.path}: nobody notes it; give the actor to what notes it")
    return told


def notes(endpoint: Any) -> bool:
    """Say whether the actor of a route is handed on, to audit.note or to whoever notes."""
    parameters = inspect.signature(endpoint).parameters
    told = ast.parse(textwrap.dedent(inspect.getsource(endpoint)))
    return "actor" in parameters and any(
        isinstance(argument, ast.Name) and argument.id == "actor"
        for call in ast.walk(told)
        if isinstance(call, ast.Call)
        for argument in [*call.args, *(each.value for each in call.keywords)]
    )


def test_every_route_that_changes_something_says_who_may_and_notes_it(tmp_path: Path) -> None:
    """Whatever the application has; and there are such routes."""
    with house(tmp_path) as centre:
        found = centre.collector.app.routes
        assert failings(found) == []
        assert len(list(changing(found))) >= len(CHANGES)


def test_a_route_without_a_role_or_a_note_would_be_found() -> None:
    """Also the one that asks who it is, and forgets it."""
    routes = APIRouter()

    @routes.post("/open")
    async def post_open() -> None:
        """Do something."""

    @routes.put("/silent")
    async def put_silent(actor: COMMANDER) -> None:
        """Do something."""

    app = FastAPI()
    app.include_router(routes)
    app.mount("/inner", FastAPI(routes=list(routes.routes)))
    app.add_route("/plain", lambda _request: Response(), methods=["DELETE"])
    assert failings(app.routes) == [
        "/open: no role; depend on allowed(...)",
        "/silent: nobody notes it; give the actor to what notes it",
        "/open: no role; depend on allowed(...)",
        "/silent: nobody notes it; give the actor to what notes it",
        "/plain: no role; depend on allowed(...)",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "roles"), CHANGES, ids=[f"{it[0]}{it[1]}" for it in CHANGES]
)
def test_only_the_roles_that_a_route_names_may(
    method: str, path: str, body: dict[str, Any], roles: set[Role], centre_with_everybody: House
) -> None:
    """Everybody else is told what it is for; whoever may gets an answer of the thing itself."""
    for role in Role:
        session = "boss" if role is Role.ADMINISTRATOR else role.value
        more: dict[str, Any] = {} if method == "DELETE" else {"json": body}
        answer = centre_with_everybody.ask(method, f"/api/v1{path}", session=session, **more)
        may = role is Role.ADMINISTRATOR or role in roles
        assert (answer.status_code != 403) is may, (role, answer.text)
        if not may:
            assert answer.json()["detail"].startswith(f"{role} is {role}; this is for ")


@pytest.fixture(scope="module")
def centre_with_everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A centre where somebody of each role has signed in."""
    with house(tmp_path_factory.mktemp("roles")) as centre:
        centre.people(*[role for role in Role if role is not Role.ADMINISTRATOR])
        yield centre


def test_everybody_reads(centre_with_everybody: House) -> None:
    """But users, tokens and the audit trail are the administrator's."""
    index = centre_with_everybody.ask("GET", "/", session="read_only").json()
    for role in Role:
        session = "boss" if role is Role.ADMINISTRATOR else role.value
        for path in index["lists"]:
            assert centre_with_everybody.ask("GET", path, session=session).status_code == 200
        for path in ("users", "users/boss", "tokens", "audit"):
            answer = centre_with_everybody.ask("GET", f"/api/v1/{path}", session=session)
            assert answer.status_code == (200 if role is Role.ADMINISTRATOR else 403)


def test_whoever_is_signed_in_is_who_did_it(tmp_path: Path) -> None:
    """Whatever they wrote; while there are no users, what is written is kept, and the trail says local."""
    path = "/api/v1/gateways/gw-1/commands"
    with house(tmp_path) as centre:
        assert centre.ask("POST", path, json=SWITCH).json()["who"] == "somebody else"
        centre.people(Role.COMMAND)
        assert centre.ask("POST", path, session="command", json=SWITCH).json()["who"] == "command"
        token = centre.token("dispatch", Role.COMMAND)
        assert centre.ask("POST", path, token=token, json=SWITCH).json()["who"] == "program/dispatch"
        given = [who for who, action, _ in centre.notes() if action == "command.give"]
        assert given == ["local", "command", "program/dispatch"]
        refused = centre.ask("POST", "/api/v1/gateways/gw-9/commands", token=token, json=SWITCH)
        assert refused.status_code == 409
        assert len(rows(centre.collector.state, commands)) == 3
        assert len([1 for _, action, _ in centre.notes() if action == "command.give"]) == 3


def test_what_is_changed_is_on_the_audit_trail_with_who_changed_it(tmp_path: Path) -> None:
    """Documents, periods, users, tokens, sessions; wrong passwords too."""
    with house(tmp_path) as centre:
        centre.people(Role.LIGHTING)
        for method, path, body in (
            ("PUT", "/desired/lamp_overrides", {"documents": {"gw-1": '{"overrides":[]}'}}),
            ("POST", "/periods", {"period": "flood-watch", "gateways": ["gw-1"], "for_s": 60}),
        ):
            answer = centre.ask(method, f"/api/v1{path}", session="lighting", json=body)
            assert answer.status_code == 200, answer.text
        token = centre.token("t", Role.READ_ONLY)
        assert centre.ask("POST", "/api/v1/periods", token=token, json=body).status_code == 403
        centre.ask("DELETE", "/api/v1/tokens/t", session="boss")
        centre.sign_in("lighting", "wrong wrong wrong")
        centre.sign_in("nobody", "wrong wrong wrong")
        centre.ask("DELETE", "/api/v1/users/lighting", session="boss")
        assert centre.notes() == [
            ("local", "user.add", "user/boss"),
            ("boss", "session.open", "user/boss"),
            ("boss", "user.add", "user/lighting"),
            ("lighting", "session.open", "user/lighting"),
            ("lighting", "desired.push", "desired/lamp_overrides"),
            ("lighting", "period.hold", "period/flood-watch"),
            ("boss", "token.create", "token/t"),
            ("boss", "token.revoke", "token/t"),
            ("centre", "session.refuse", "user/lighting"),
            ("centre", "session.refuse", "user"),
            ("boss", "user.remove", "user/lighting"),
        ]


def test_the_audit_trail_is_read_page_by_page_and_filtered(tmp_path: Path) -> None:
    """By who, action (with what is below it), target and time."""
    with house(tmp_path) as centre:
        centre.people(Role.LIGHTING)
        centre.clock.now_ms += 1000
        centre.token("t", Role.READ_ONLY)

        def asked(**query: Any) -> list[str]:
            found, cursor = [], ""
            while True:
                more = query | {"limit": 2, "cursor": cursor}
                page = centre.ask("GET", "/api/v1/audit", session="boss", params=more).json()
                found += [each["action"] for each in page["items"] if each["who"] != "centre"]
                if page["next"] is None:
                    return found
                cursor = page["next"]

        assert asked() == ["token.create", "session.open", "user.add", "session.open", "user.add"]
        assert asked(who="lighting") == ["session.open"]
        assert asked(action="user") == asked(action="user.add") == ["user.add"] * 2
        assert asked(action="us%") == asked(action="use") == []
        assert asked(target="user/boss") == ["session.open", "user.add"]
        assert asked(from_ms=centre.clock.now_ms) == ["token.create"]
        assert asked(to_ms=centre.clock.now_ms)[0] == "session.open"
        backwards = centre.ask("GET", "/api/v1/audit", session="boss", params={"from_ms": 5, "to_ms": 5})
        assert backwards.status_code == 422


def test_the_trail_is_kept_for_as_long_as_is_said(tmp_path: Path) -> None:
    """What is older goes with the next round, and so do sessions that are over."""
    with house(tmp_path, tables="audit_retention_days = 184\n") as centre:
        centre.people()
        asyncio.run(centre.collector.housekeeping.round())
        assert len(centre.notes()) == 2
        centre.clock.now_ms += 184 * 86_400_000
        centre.sign_in("boss")
        asyncio.run(centre.collector.housekeeping.round())
        assert len(centre.notes()) == 3
        centre.clock.now_ms += 1
        asyncio.run(centre.collector.housekeeping.round())
        assert centre.notes() == [("boss", "session.open", "user/boss")]
        assert len(rows(centre.collector.state, sessions)) == 1


def test_a_route_that_no_door_stands_before_is_shut() -> None:
    """An application that forgot the doors lets nobody change anything."""
    app = FastAPI()

    @app.post("/")
    async def post_it(actor: COMMANDER) -> None:
        """Do something."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.post("/")

    answer = asyncio.run(send())
    assert (answer.status_code, answer.json()["detail"]) == (401, acting.SIGN_IN)
