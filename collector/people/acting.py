"""Who a request comes from, and whether they may."""

from collections.abc import Callable

from fastapi import HTTPException, Request

from collector.people.roles import LOCAL, Actor, Role


def allowed(*roles: Role) -> Callable[[Request], Actor]:
    """Return what a route depends on: the actor, who has one of these roles; 403 where not."""

    def actor_of(request: Request) -> Actor:
        actor: Actor = getattr(request.state, "actor", LOCAL)
        if not actor.may(*roles):
            wanted = ", ".join((*roles, Role.ADMINISTRATOR))
            raise HTTPException(403, f"{actor.name} is {actor.role}; this is for {wanted}")
        return actor

    return actor_of
