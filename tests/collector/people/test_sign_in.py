"""Signing in and out: cookies, sessions and their ends, wrong passwords, tokens."""

from pathlib import Path

import pytest

from collector.people.roles import Role
from collector.people.tables import users
from tests.collector.making import rows
from tests.collector.people.making import OTHER_PASSWORD, OWN, PASSWORD, House, house

GATEWAYS = "/api/v1/gateways"
SESSION = "/api/v1/session"


def test_without_users_this_machine_acts_and_nobody_else(tmp_path: Path) -> None:
    """Not another machine, not what a proxy forwards, not a name of the internet made to lead here."""
    with house(tmp_path) as centre:
        assert centre.ask("GET", GATEWAYS).status_code == 200
        assert centre.ask("GET", "/healthz").json()["sign_in"] is False
        assert centre.ask("GET", SESSION).json()["kind"] == "local"
        refused = (
            centre.ask("GET", GATEWAYS, client="192.0.2.7"),
            centre.ask("GET", GATEWAYS, headers={"X-Forwarded-For": "192.0.2.7"}),
            centre.ask("GET", GATEWAYS, base="http://evil.example:8780"),
        )
        for answer in refused:
            assert answer.status_code == 401
            assert "there are no users yet" in answer.json()["detail"]


def test_from_the_first_administrator_on_everything_needs_a_sign_in(tmp_path: Path) -> None:
    """Reading too; all that is left open is signing in, and whether the centre is well."""
    with house(tmp_path) as centre:
        assert centre.add("lee", Role.TECHNICIAN).status_code == 409
        assert centre.add("boss", Role.ADMINISTRATOR).status_code == 200
        for path in ("/", "/api/v1", GATEWAYS, "/metrics", "/openapi.json", "/nothing", "/api/v1/users"):
            answer = centre.ask("GET", path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
            assert "sign in" in answer.json()["detail"]
        health = centre.ask("GET", "/healthz").json()
        assert health["sign_in"] is True
        assert health["reasons"] == ["what is stuck is told to whoever is signed in"]
        assert centre.sign_in("boss").status_code == 200
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 200
        assert "no connection" in centre.ask("GET", "/healthz", session="boss").json()["reasons"][0]


def test_the_cookie_is_for_no_script_and_no_other_site(tmp_path: Path) -> None:
    """HttpOnly and SameSite=Strict; only its digest is kept."""
    with house(tmp_path) as centre:
        centre.add("boss", Role.ADMINISTRATOR)
        cookie = centre.sign_in("boss").headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {each.strip() for each in cookie.split(";")}
        assert centre.cookies["boss"].encode() not in (tmp_path / "data" / "collector.db-wal").read_bytes()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8780"}, 200),
        (OWN, 200),
    ],
)
def test_a_change_by_cookie_must_come_from_a_page_of_ours(
    headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    """A cookie comes along by itself, also from a page of another site."""
    with house(tmp_path) as centre:
        centre.people()
        told = {"Cookie": f"gengfu_session={centre.cookies['boss']}"} | headers
        assert centre.ask("DELETE", SESSION, headers=told).status_code == status


def test_a_page_of_another_site_changes_nothing_while_there_are_no_users(tmp_path: Path) -> None:
    """Being on this machine comes along by itself too."""
    with house(tmp_path) as centre:
        body = {"name": "evil", "role": "administrator", "password": PASSWORD}
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert centre.ask("POST", "/api/v1/users", json=body, headers=headers).status_code == 403
        assert rows(centre.collector.state, users) == []


def test_a_session_ends_when_it_idles_and_when_its_time_is_over(tmp_path: Path) -> None:
    """Whatever its cookie says."""
    with house(tmp_path, tables="session_idle_s = 600\nsession_lifetime_s = 1500\n") as centre:
        centre.people()
        for _ in range(4):
            centre.clock.now_ms += 300_000
            assert centre.ask("GET", GATEWAYS, session="boss").status_code == 200
        centre.clock.now_ms += 300_000
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401
        centre.sign_in("boss")
        centre.clock.now_ms += 600_000
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401


def test_signing_out_ends_this_session_or_all(tmp_path: Path) -> None:
    """Others stay, unless everywhere is meant."""
    with house(tmp_path) as centre:
        centre.people()
        first = centre.cookies["boss"]
        for _ in range(2):
            centre.sign_in("boss")
        assert centre.ask("DELETE", SESSION, session="boss").json() == {"sessions_ended": 1}
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401
        centre.cookies["boss"] = first
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 200
        everywhere = centre.ask("DELETE", SESSION, session="boss", params={"everywhere": True})
        assert everywhere.json() == {"sessions_ended": 2}
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401


def test_another_password_ends_all_other_sessions(tmp_path: Path) -> None:
    """The former one is asked for, and a weak one refused."""
    with house(tmp_path) as centre:
        centre.people()
        first = centre.cookies["boss"]
        centre.sign_in("boss")

        def change(former: str, fresh: str) -> int:
            body = {"former": former, "password": fresh}
            return centre.ask("PUT", f"{SESSION}/password", session="boss", json=body).status_code

        assert change("wrong wrong wrong", OTHER_PASSWORD) == 401
        assert change(PASSWORD, "password1234") == 422
        assert change(PASSWORD, OTHER_PASSWORD) == 200
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 200
        centre.cookies["boss"] = first
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401
        assert centre.sign_in("boss").status_code == 401
        assert centre.sign_in("boss", OTHER_PASSWORD).status_code == 200


def test_who_is_disabled_or_demoted_is_so_at_once(tmp_path: Path) -> None:
    """In the session that is open, and with a token that was made before."""
    with house(tmp_path) as centre:
        centre.people(Role.COMMAND)
        token = centre.token("script", Role.COMMAND, user="command")
        order = {"kind": "switch", "target": "relays/relay_1", "value": True, "for_s": 60}
        path = f"{GATEWAYS}/gw-1/commands"
        assert centre.ask("POST", path, token=token, json=order).status_code == 200
        user = "/api/v1/users/command"
        assert centre.ask("PATCH", user, session="boss", json={"role": "read_only"}).status_code == 200
        assert centre.ask("POST", path, token=token, json=order).status_code == 403
        assert centre.ask("POST", path, session="command", json=order).status_code == 403
        assert centre.ask("GET", GATEWAYS, token=token).status_code == 200
        assert centre.ask("PATCH", user, session="boss", json={"disabled": True}).status_code == 200
        assert centre.ask("GET", GATEWAYS, token=token).status_code == 401
        assert centre.ask("GET", GATEWAYS, session="command").status_code == 401
        assert centre.sign_in("command").status_code == 401


def test_a_token_acts_until_it_is_over_or_revoked(tmp_path: Path) -> None:
    """It needs no cookie's defence, as nothing sends it by itself; it is told once."""
    with house(tmp_path) as centre:
        centre.people()
        until_ms = centre.clock.now_ms + 1000
        short = centre.token("short", Role.READ_ONLY, expires_ms=until_ms)
        long = centre.token("long", Role.COMMAND)
        assert centre.ask("GET", SESSION, token=long).json() == {
            "name": "program/long",
            "display_name": "program/long",
            "role": "command",
            "kind": "token",
            "expires_ms": None,
            "idle_s": None,
        }
        assert centre.ask("GET", GATEWAYS, token=short).status_code == 200
        centre.clock.now_ms += 1000
        assert centre.ask("GET", GATEWAYS, token=short).status_code == 401
        listed = centre.ask("GET", "/api/v1/tokens", session="boss")
        assert [each["used_ms"] for each in listed.json()["items"]] == [until_ms - 1000] * 2
        assert long not in listed.text
        assert centre.ask("DELETE", "/api/v1/tokens/long", session="boss").status_code == 200
        refused = centre.ask("GET", GATEWAYS, token=long, session="boss")
        assert refused.status_code == 401, "a bad token is refused, whatever cookie comes with it"
        assert centre.ask("DELETE", "/api/v1/tokens/long", session="boss").status_code == 404


def test_a_users_token_never_may_more_than_its_user(tmp_path: Path) -> None:
    """Refused when it is made; a name is taken once; without users nothing needs one."""
    with house(tmp_path) as centre:
        body = {"name": "t", "role": "read_only"}
        assert centre.ask("POST", "/api/v1/tokens", json=body).status_code == 409
        centre.people(Role.TECHNICIAN)

        def make(**more: str) -> int:
            return centre.ask("POST", "/api/v1/tokens", session="boss", json=body | more).status_code

        assert make(user="technician", role="command") == 409
        assert make(user="nobody") == 404
        assert make(user="technician") == 200
        assert make(user="technician") == 409


def test_the_last_administrator_stays(tmp_path: Path) -> None:
    """Not removed, demoted, nor disabled; also where another is disabled."""
    with house(tmp_path) as centre:
        centre.people()
        centre.add("second", Role.ADMINISTRATOR)
        boss, second = "/api/v1/users/boss", "/api/v1/users/second"
        assert centre.ask("PATCH", second, session="boss", json={"disabled": True}).status_code == 200
        for answer in (
            centre.ask("DELETE", boss, session="boss"),
            centre.ask("PATCH", boss, session="boss", json={"role": "command"}),
            centre.ask("PATCH", boss, session="boss", json={"disabled": True}),
        ):
            assert (answer.status_code, "last administrator" in answer.text) == (409, True)
        assert centre.ask("PATCH", second, session="boss", json={"disabled": False}).status_code == 200
        assert centre.ask("DELETE", boss, session="boss").status_code == 200
        assert centre.ask("GET", GATEWAYS, session="boss").status_code == 401
        assert centre.sign_in("second").status_code == 200


def wrong(centre: House, name: str, client: str = "192.0.2.7") -> int:
    """Give a wrong password."""
    return centre.sign_in(name, "wrong wrong wrong", client=client).status_code


def test_wrong_passwords_make_wait_ever_longer_and_the_wait_ends(tmp_path: Path) -> None:
    """What comes while one waits is not even looked at, and makes it no longer."""
    with house(tmp_path) as centre:
        centre.people()
        assert [wrong(centre, "boss") for _ in range(4)] == [401, 401, 401, 401]
        waiting = centre.sign_in("boss", client="192.0.2.7")
        assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "2")
        centre.clock.monotonic_s += 2
        assert [wrong(centre, "boss") for _ in range(2)] == [401, 429]
        for _ in range(100):
            wrong(centre, "boss")
        centre.clock.monotonic_s += 4
        assert centre.sign_in("boss", client="192.0.2.7").status_code == 200
        assert [wrong(centre, "boss") for _ in range(4)] == [401, 401, 401, 401]


def test_nothing_tells_whether_a_name_is_anybodys(tmp_path: Path) -> None:
    """The same words and the same delays, also for who is disabled."""
    with house(tmp_path) as centre:
        centre.people(Role.COMMAND)
        centre.ask("PATCH", "/api/v1/users/command", session="boss", json={"disabled": True})
        answers = []
        for name, word, client in (
            ("boss", "wrong wrong wrong", "192.0.2.1"),
            ("nobody", "wrong wrong wrong", "192.0.2.2"),
            ("command", PASSWORD, "192.0.2.3"),
        ):
            asked = [centre.sign_in(name, word, client=client) for _ in range(5)]
            answers.append([(answer.status_code, answer.text) for answer in asked])
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][-1][0] == 429


def test_whoever_is_known_signs_in_while_strangers_try_their_name(tmp_path: Path) -> None:
    """So nobody locks an administrator out from where they work, nor on the machine itself."""
    with house(tmp_path) as centre:
        centre.people()
        assert centre.sign_in("boss", client="192.0.2.1").status_code == 200
        for number in range(50):
            wrong(centre, "boss", f"198.51.100.{number}")
        assert centre.sign_in("boss", client="203.0.113.1").status_code == 429
        assert centre.sign_in("boss", client="192.0.2.1").status_code == 200
        assert centre.sign_in("boss").status_code == 200


def test_an_address_that_tries_many_names_waits_too(tmp_path: Path) -> None:
    """Thirty tries; others are served meanwhile."""
    with house(tmp_path) as centre:
        centre.people()
        told = [wrong(centre, f"user-{number}") for number in range(40)]
        assert (told.count(401), told.count(429)) == (31, 9)
        assert wrong(centre, "user-41", "192.0.2.8") == 401


def test_a_password_is_hashed_anew_once_the_parameters_change(tmp_path: Path) -> None:
    """When its user signs in, and the session holds."""
    with house(tmp_path) as centre:
        centre.people()
        [before] = [row[4] for row in rows(centre.collector.state, users)]
    with house(tmp_path, passes=2) as centre:
        centre.collector.people.random_bytes(100)  # this world's chance begins where the other's did
        assert centre.sign_in("boss").status_code == 200
        [after] = [row[4] for row in rows(centre.collector.state, users)]
        assert ("t=1," in before, "t=2," in after) == (True, True)
        assert centre.sign_in("boss").status_code == 200


def test_a_stranger_sends_no_more_than_a_sign_in_takes(tmp_path: Path) -> None:
    """It is refused before it is read; and names that no database keeps are told as such."""
    with house(tmp_path) as centre:
        long = centre.sign_in("boss", "x" * 10_000)
        assert (long.status_code, "8192 bytes" in long.text) == (413, True)
        headers = {"Content-Length": "many"}
        assert centre.ask("POST", SESSION, headers=headers).status_code == 411
        assert centre.sign_in("bo\x00ss").status_code == 422
