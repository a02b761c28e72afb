"""The runner of the campaigns, on small programs that behave as campaigns may."""

import importlib.util
import time
from pathlib import Path

import pytest

from tests.faults.__main__ import CAMPAIGNS
from tests.faults.running import Campaign, run, run_all

WHOLE_MINUTES_MAX = 175
PROGRAMS = {
    "good": """
import sys
print("good's progress", file=sys.stderr)
print("good's table")
print('{"name": "good", "figures": {"good_lost": 0}, "conditions": {"seed": 1}}')
""",
    "finds": """
print('{"name": "finds", "figures": {"finds_lost": 7}, "conditions": {}}')
raise SystemExit(1)
""",
    "hangs": """
import pathlib, subprocess, sys
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
child.stdout.readline()
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print('{"name": "hangs", "figures": {"hangs_lost": 3}, "conditions": {}}', flush=True)
child.wait()
""",
    "mute": """
print("said something else")
""",
    "other": """
print('["no", "campaign"]')
""",
    "last": """
print('{"name": "last", "figures": {"last_lost": 0}, "conditions": {}}')
""",
}


@pytest.fixture
def child_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the one that hangs tells whom it has started; the programs can be imported."""
    folder = tmp_path / "played"
    folder.mkdir()
    for name, text in PROGRAMS.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "child.pid"


def played(name: str, *given: str, minutes_max: float = 1) -> Campaign:
    """Return one of the programs as a campaign."""
    return Campaign(name, "how it is run", list(given), minutes_max=minutes_max, package="played")


def gone(pid: int) -> bool:
    """Wait until nobody has this process id any more, or only what is left of one that has ended."""
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_whatever_becomes_of_one_campaign_the_others_run_and_all_figures_appear(
    child_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Four that end badly, each in its way, between two that are good."""
    campaigns = [
        played("good"),
        played("finds"),
        played("hangs", str(child_file), minutes_max=0.1),
        played("mute"),
        played("other"),
        played("last"),
    ]
    figures, conditions = run_all(campaigns, short=False)
    assert figures == {"good_lost": 0, "finds_lost": 7, "hangs_lost": 3, "last_lost": 0}
    assert conditions["failed"] == ["finds", "hangs", "mute", "other"]
    assert conditions["failures"] == {
        "finds": "ended with status 1",
        "hangs": "was ended after 0.1 minutes",
        "mute": "ended, without a line of JSON",
        "other": "ended, without a line of JSON",
    }
    assert conditions["campaigns"]["good"] == {"seed": 1}
    assert list(conditions["took_s"]) == [campaign.module for campaign in campaigns]
    assert gone(int(child_file.read_text())), "one that a campaign had started was left behind"
    said = capfd.readouterr()
    assert "good's table" in said.out
    assert "said something else" in said.out
    assert said.err.index("-- good: about 1 minutes") < said.err.index("good's progress")
    assert said.err.index("good's progress") < said.err.index("-- good: took")


def test_a_campaign_that_is_no_program_is_named(child_file: Path) -> None:
    """Its module is missing: Python's own status, and no figures."""
    ended = run(played("missing"), short=False)
    assert ended.failure == "ended with status 1, without a line of JSON"
    assert not ended.figures


def test_the_campaigns_are_programs_and_all_of_them_end_within_the_time_they_may_take() -> None:
    """What is expected of all together; each has room beyond it."""
    assert sum(campaign.minutes for campaign in CAMPAIGNS) < WHOLE_MINUTES_MAX
    for campaign in CAMPAIGNS:
        assert (Path(__file__).parent / f"{campaign.module}.py").is_file()
        assert campaign.minutes < campaign.minutes_max


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.module)
def test_every_campaign_ends_with_a_line_under_its_own_name(campaign: Campaign) -> None:
    """Else the laboratory takes it for one that said nothing, after all its minutes."""
    found = importlib.util.find_spec(f"{campaign.package}.{campaign.module}")
    assert found is not None
    source = Path(str(found.origin)).read_text(encoding="utf-8")
    assert f'json.dumps({{"name": "{campaign.module}", "figures": figures, "conditions": ' in source
