"""What the page on security names is there: every test, every file."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    """As a function of its file; a campaign as a module."""
    missing = []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE):
        path = ROOT / file
        if not path.is_file() or (name and not re.search(rf"^(async )?def {name}\(", path.read_text(), re.M)):
            missing.append(f"{file}::{name}")
    modules = re.findall(r"`python -m ([\w.]+)`", PAGE)
    missing += [it for it in modules if not (ROOT / f"{it.replace('.', '/')}.py").is_file()]
    missing += [page for page in re.findall(r"`(docs/[\w/-]+\.md)`", PAGE) if not (ROOT / page).is_file()]
    assert missing == []


def test_what_is_claimed_names_a_test_and_what_is_not_says_no() -> None:
    """In the tables of provisions: a row without a test says no, or whose matter it is."""
    rows = re.findall(r"^\| (?:CR|EDR|SAR|5\.|8\.)[^\n]*$", PAGE, re.M)
    assert len(rows) > 60
    bare = [row for row in rows if "`" not in row]
    honest = ("no", "a matter of", "not")
    assert [row for row in bare if not any(word in row.split("|")[3] for word in honest)] == []
