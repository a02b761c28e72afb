"""How what cannot be done with people is told over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from collector.people.desk import WeakPasswordError
from collector.people.users import PeopleError, UnknownNameError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Answer 404 for a name that nobody has, 422 for a weak password, 409 for all else that cannot be."""
    try:
        yield
    except UnknownNameError as error:
        raise HTTPException(404, str(error)) from error
    except WeakPasswordError as error:
        told = [{"type": "password", "loc": ["body", "password"], "msg": str(error)}]
        raise HTTPException(422, told) from error
    except PeopleError as error:
        raise HTTPException(409, str(error)) from error
