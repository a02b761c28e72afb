"""What tests of commands share."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture
def in_china(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown as this machine's clock does; here it is China's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()
