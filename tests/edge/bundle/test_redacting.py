"""What is taken out of a text before it is given away, and what stays."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle.redacting import REMOVED, is_secret_name, redacted, redacted_data, secrets_of
from edge.settings import EXAMPLE

SECRET = "hunter2-Zq9"


@pytest.mark.parametrize(
    "text",
    [
        'password = "{}"',
        "broker_password: {} and more",
        "PASSWORD='{}'",
        'secret = """\n{}\n"""',
        'tokens = [\n  "a1",\n  "{}",\n]',
        '{{"api_key": "{}", "x": 1}}',
        'auth = {{ user = "a", with = "{}" }}',
        "mqtt://gateway:{}@broker:8883/x",
        "mqtt://gateway:p@{}@broker:8883/x",
        "https://{}@example.org/",
        "Authorization: Custom {}",
        "Authorization: Bearer {}",
        "sent header Bearer {}",
        "GENGFU_TOKEN={}",
        "gengfu --token {} list",
        "refused: the password is {}",
        "# the old token {} is void",
        "one_time_code = {}",
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n{}",
        "passphrase = \"{}",
        'pw = "{}"',
        "apn_pw: {}",
        'puk = "{}"',
        "Passwort: {}",
        "通行码：{}",
        'said AT+CPIN="{}"',
        'said AT+CGAUTH=1,1,"{}","gw"',
        '+CGAUTH: 1,1,"gw","{}"',
        "curl --user gw:{} http://host/",
        'curl -u "gw:a {}" http://host/',
        "mosquitto_pub --pw {} -t x",
        'refused {{"key": "{}", "line": 1}}',
        'refused {{\\"key\\": \\"{}\\"}}',
    ],
)  # fmt: skip
def test_a_secret_goes_by_its_name_or_its_place(text: str) -> None:
    """In settings, logs, URLs, headers, commands; also where the text is cut off."""
    assert SECRET not in redacted(f"before\n{text.format(SECRET)}\nafter")


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJnYXRld2F5IjoxfQ.c2lnbmF0dXJl",
        "uS3x9Zk2Qw7LmNp4Rt6Yv8Bc1Df5Gh0J",
        "kq3_Zx9-Wm2Lp7Rt5Yv8Bc1Df4Gh6Jn0Ks-A",
    ],
)
def test_a_secret_goes_by_what_it_looks_like(text: str) -> None:
    """Without any name."""
    assert text not in redacted(f"refused {text} of somebody")


def test_the_work_grows_as_the_text_does() -> None:
    """A journal may hold what somebody has made up: four times as much takes no eight times as long."""

    def took_s(text: str) -> float:
        begun_s = time.process_time()
        redacted(text)
        return time.process_time() - begun_s

    few, many = (min(took_s("/" * count) for _ in range(3)) for count in (3_000, 12_000))
    assert many < 8 * few


def test_the_shipped_settings_stay_as_they_are() -> None:
    """As do ports by place, digests and ids, and words that only resemble."""
    example = EXAMPLE.read_text(encoding="utf-8")
    assert redacted(example) == example
    for text in (
        "port = /dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-port0",
        "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
        "epoch 3f2a9c0d4b5e6f708192a3b4c5d6e7f8",
        "passed: 12, author: li, compass = north, spinning: 3",
        'public_keys = ["city 8f1Q"]',
        'key = "tpm"',
        '{"identity": {"key": "file"}}',
        "+CPIN: SIM PIN",
        "systemctl --user restart x, journalctl -u gengfu-edge",
    ):
        assert redacted(text) == text


def test_data_is_cleaned_by_its_names_and_in_its_texts() -> None:
    """Structure stays; what is secret is known for all other parts."""
    data = {"broker": {"password": SECRET, "host": "h"}, "log": [f"token={SECRET}"], "secrets": [SECRET, 3]}
    assert redacted_data(data) == {
        "broker": {"password": REMOVED, "host": "h"},
        "log": [f"token={REMOVED}"],
        "secrets": REMOVED,
    }
    assert secrets_of(data) == {SECRET}
    assert redacted_data({"key": "Zq9-hunter2"}) == {"key": REMOVED}
    for place in ("devices[0].line", "identity.key", "file", "tpm", "devices[12].options.Baud2"):
        assert redacted_data({"key": place}) == {"key": place}
    assert redacted(f"somewhere {SECRET} stands", secrets_of(data)) == f"somewhere {REMOVED} stands"
    assert is_secret_name("broker.password")
    assert not is_secret_name("public_keys")


@settings(deadline=None)  # a busy machine
@given(st.text(alphabet="abAB01 _-.=:\"'\n[]{}#/@", max_size=300))
def test_any_text_is_cleaned_and_then_clean(text: str) -> None:
    """What was cleaned is never made secret again by it."""
    once = redacted(f'{text}\npassword = "{SECRET}"\n')
    assert SECRET not in once
