"""An operator's terminal of 80 columns; the centre is stood in for."""

from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from gengfu import centre_client

ENGLISH = {"LANG": "en_GB.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "COLUMNS": "80", "TZ": "Asia/Shanghai"}
CHINESE = ENGLISH | {"LANG": "zh_CN.UTF-8"}


def typed(
    app: typer.Typer,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    answer: Any,
    env: dict[str, str] = ENGLISH,
    code: int = 0,
) -> tuple[str, list[Any]]:
    """Type some words; return what is printed, and what the centre was asked, which answers one thing."""
    asked: list[Any] = []

    def stand_in(
        method: str, _url: str, path: str, *, body: Any = None, query: Any = None, **_options: Any
    ) -> Any:
        asked.append((method, path, body if method == "POST" else query))
        return answer

    monkeypatch.setattr(centre_client, "asked", stand_in)
    result = CliRunner().invoke(app, words, env=env)
    assert result.exit_code == code, result.output
    for line in result.output.splitlines():
        assert cell_len(line) <= 80 or "--json" in words, line
    return result.output, asked
