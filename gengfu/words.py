"""Small words for people at a terminal."""


def counted(count: int, noun: str) -> str:
    """Return "1 alarm" or "2 alarms"; for nouns with a regular plural."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{count} {noun if count == 1 else noun + plural}"
