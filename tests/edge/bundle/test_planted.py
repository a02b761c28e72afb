"""A secret in any shape that people and programs give it, whole or cut at any byte, is never given away."""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.bundle.redacting import redacted, redacted_data
from edge.settings import EXAMPLE

LETTERS = "QXZJ"
"""Stand in secrets alone: one of them in what is given away is a piece of a secret."""
SIGNS = "/@%:?&+=~!$*.,;|<>()[]{}#^-_ \"'`\\0159é密"
SECRETS = st.text(LETTERS + SIGNS, min_size=1, max_size=24).map(lambda text: f"{text}QX")
WORDS = SECRETS.map(lambda text: re.sub(r"\s", "", text))
"""Without blanks, as on a command line."""
TAME = st.text(f"{LETTERS}0159-_.", min_size=1, max_size=24).map(lambda text: f"Q{text}")


def basic(secret: str) -> str:
    """Return it as a basic string of TOML, and of JSON."""
    return json.dumps(secret, ensure_ascii=False)


def literal(secret: str) -> str:
    """Return it as a literal string of TOML."""
    return f"'{secret.replace(chr(39), '')}'"


def of_key(secret: str) -> str:
    """Return lines as those of a key."""
    line = (re.sub(r"[^QXZJ0159+/]", "", secret) + "QX7Z") * 16
    return f"{line[:64]}\n{line[:64]}\n{line[:20]}="


NAMES = [
    *(
        "password",
        "tokens",
        "broker_password",
        "brokerpassword",
        "mqttPassword",
        "broker.password",
        '"web password"',
    ),
    *("token", "access-token", "tokenUrl", "secret", "client_secret", "api_key", "snmp_key", "signingKey"),
    *("community", "snmp.community", "pin", "door_pin", "psk", "one_time_code", "密码", '"pass\\u0077ord"'),
]
STRINGS: list[tuple[str, Callable[[str], str]]] = [
    ("{name} = {secret}", basic),
    ("{name} = {secret}  # since may", literal),
    ("# {name} = {secret}", basic),
    ("# {name}: {secret}", str),
    ('{name} = """\nfirst {secret}\n"""', lambda secret: basic(secret)[1:-1]),
    ("{name} = '''\n{secret}\nlast'''", lambda secret: literal(secret)[1:-1]),
    ('{name} = "{secret}"', str),  # a quote in it that nobody has escaped
    ("{name} = {secret}", str),  # no quotes at all
    ('{name} = ["a", {secret}, "b"]', basic),
    ('{name} = [\n  "a]b",  # ] is none\n  {secret},\n  {secret}\n]', basic),
    ("{name} = [[{secret}], {{ a = {secret}, b = 1 }}]", basic),
    ("broker = {{ host = 'h', {name} = {secret}, port = 1 }}", basic),
    ("[[lines]]\n{name} = [\n{secret}", basic),
]
ELSEWHERE: list[tuple[str, Callable[[str], str]]] = [
    ('host = "mqtts://gw:{secret}@broker.example:8883/x"', lambda secret: basic(secret)[1:-1]),
    ("host = 'mqtts://gw:{secret}@broker.example'", lambda secret: literal(secret)[1:-1]),
    ("# was mqtts://gw:{secret}@broker.example", lambda secret: re.sub(r"[\s\"']", "", secret)),
    ('host = "gw:{secret}@broker"', lambda secret: re.sub(r"[^QXZJ0159/@%+-]", "", secret)),
    ("[secrets]\na = {secret}\nb = 2\nc = [\n{secret}]", basic),
    ("key = {secret}", lambda secret: basic(of_key(secret).replace("\n", "0")[:40])),
    ("pem = '''\n-----BEGIN EC PRIVATE KEY-----\n{secret}\n-----END EC PRIVATE KEY-----\n'''", of_key),
    (
        'pem = "-----BEGIN PRIVATE KEY-----\\n{secret}\\n-----END PRIVATE KEY-----"',
        lambda it: of_key(it)[:64],
    ),
]
SETTINGS = [(text.replace("{name}", name), how) for name in NAMES for text, how in STRINGS] + ELSEWHERE
FEWER = [SETTINGS[index] for index in range(len(SETTINGS)) if index < len(STRINGS) or index % 13 in (0, 9)]
FEWER += ELSEWHERE
BEFORE = [
    "",
    'schema = 1\ngateway = "gw-1"\n',
    "broken =\n",
    '[[lines]]\nname = "a\n',
    "# mqtt://broker:1883\n",
]
AFTER = ["", "\n", '\n[[devices]]\nname = "key-cabinet"\n', '\n]]\nx = "it\'s"\n']


def leaked(text: str) -> str:
    """Return the pieces of secrets in a text."""
    return "".join(re.findall(f"[{LETTERS}]+", text))


@settings(deadline=None)  # a busy machine
@given(st.sampled_from(SETTINGS), SECRETS, st.sampled_from(BEFORE), st.sampled_from(AFTER), st.floats(0, 1))
@example(SETTINGS[0], "1/QX", "", "", 1.0)
@example(ELSEWHERE[0], "12/QX", "", "", 0.72)
def test_a_secret_in_settings_is_never_given_away_whole_or_cut(
    shape: tuple[str, Callable[[str], str]], secret: str, before: str, after: str, share: float
) -> None:
    """Nothing is known of the file but its bytes: it need not be TOML, nor all of it."""
    text, how = shape
    whole = before + text.format(secret=how(secret)) + after
    octets = whole.encode()
    cut = octets[: round(share * len(octets))].decode(errors="replace")
    assert leaked(redacted(whole)) == ""
    assert leaked(redacted(cut)) == ""


@pytest.mark.parametrize("shape", FEWER)
def test_a_secret_is_not_given_away_at_any_byte_of_any_shape(shape: tuple[str, Callable[[str], str]]) -> None:
    """Every cut of every shape and every name."""
    text, how = shape
    octets = f'gateway = "gw-1"\n{text.format(secret=how("9/Q@X: 5Z"))}\nport = 1\n'.encode()
    found = {leaked(redacted(octets[:end].decode(errors="replace"))) for end in range(len(octets) + 1)}
    assert found == {""}


@settings(deadline=None)
@given(
    st.sampled_from(
        [
            "sudo gengfu edge enrol --code {} --fingerprint a9f5",
            "gengfu edge enrol --code={}",
            "run --api-key {} --verbose",
            "run --signing_key={}",
            "mosquitto_pub -h broker -u gw -P {} -t x",
            "curl -u gw:{} https://h/",
            "connect failed: password={} retry in 5 s",
            'refused {{"password": "{}", "host": "h"}}',
            'refused {{\\"password\\": \\"{}\\"}}',
            "Settings(host='h', token='{}', port=1)",
            "Authorization: Bearer {}",
            "Cookie: a={}",
            "GENGFU_TOKEN={}",
            "connecting to mqtt://gw:{}@broker:1883 failed",
            "密码是 {}",
        ]
    ),
    TAME,
    st.floats(0, 1),
)
def test_a_secret_in_a_log_is_never_given_away_whole_or_cut(line: str, secret: str, share: float) -> None:
    """In commands, headers, environments, JSON, what programs say of themselves."""
    stamp = "2026-11-27T21:18:12+0800 cabinet gengfu[412]: "
    whole = f"{stamp}{line.format(secret)}"
    for text in (whole, whole[: round(share * len(whole))]):
        assert leaked(redacted(f"{stamp}started\n{text}\n{stamp}line rs485-1 works")) == ""


def test_a_private_key_whose_beginning_was_cut_off_is_not_given_away() -> None:
    """As the first lines of a journal may be; what stands before and after is."""
    stamp = "2026-11-27T21:18:12+0800 cabinet gengfu[412]: "
    lines = [*of_key("QX").splitlines(), "-----END EC PRIVATE KEY-----", "works"]
    told = redacted(f"{stamp}starts up\n" + "".join(f"{stamp}{line}\n" for line in lines))
    assert leaked(told) == ""
    assert "starts up" in told
    assert "works" in told


@pytest.mark.parametrize("code", ["KP6V-9XCN-FHJ4-99SN", "KP6V-9XCN-FHJ", "KPQV-CXCN-FHJA-BBSN"])
def test_a_one_time_code_goes_by_its_look(code: str) -> None:
    """Wherever it stands."""
    assert redacted(f"refused: {code}, try again") == "refused: [removed], try again"


@pytest.mark.parametrize(
    "text",
    [
        'public_keys = ["ed25519:mK9cUq3Xb7vR2tL0sYd8fZpWnEaHjG5oQ1iT6uNxVw4"]',
        'tls_key_file = "/etc/gengfu/gateway.key"\ntls_ca_file = "/etc/gengfu/ca.pem"',
        "at 21:18:12 mailto:li@example.org asked user@1000.service: it's done",
        '[[devices]]\nname = "key-cabinet"\ntitle = "turnkey pump, keypad, monkey bridge"',
        "edge.toml:12: broker.key: is not a key of this table; did you mean tls_key_file?",
        "gengfu-edge.service: Main process exited, code=exited, status=1/FAILURE",
        "code 200, codes = 3, barcode: 12345678",
        "connecting to mqtt://broker.example:1883, then http://[::1]:8781/ and https://h:8781/path?x=1",
        "mail li@example.org or see https://example.org/a and write to wang@example.org",
        "usb 1-1.2: Product: FT232R, SerialNumber: A50285BI, idVendor=0403",
        "epoch 3f2a9c0d-4b5e-6f70-8192-a3b4c5d6e7f8, digest 9f86d081884c7d659a2feaa0c55ad015",
        'alarms = ["pinned", "bypass = on", "compass: 3"]\nspinning = 1',
        "/etc/gengfu/release_keys: holds no key, so no update is believed",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Public keys, names of keys and files, addresses, what systemd says."""
    assert redacted(text) == text


def test_ordinary_data_stays_and_what_is_called_a_secret_goes_with_all_in_it() -> None:
    """Names of a table's keys are no keys."""
    problem = {"file": "edge.toml", "line": 3, "key": "devices[0].line", "remedy": "write public_keys"}
    assert redacted_data(problem) == problem
    data = {"tokens": {"a": "QX", "b": ["ZJ", 5]}, "key": "4f9a8b7c6d5e4f3a2b1cQX", "door_pin": 1234}
    assert redacted_data(data) == {
        "tokens": {"a": "[removed]", "b": "[removed]"},
        "key": "[removed]",
        "door_pin": "[removed]",
    }


def test_settings_with_a_secret_keep_all_the_rest() -> None:
    """One line is taken out of the example, and no other is changed."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    place = lines.index("[broker]") + 1
    planted = [*lines[:place], 'password = "QX"', *lines[place:]]
    assert redacted("\n".join(planted)).splitlines() == [
        *lines[:place],
        "password = [removed]",
        *lines[place:],
    ]
