"""The lamp plan: what every lamp should do at any time, and why.

Pure: the cabinet runs it, the centre previews it.
"""

from pathlib import Path

EXAMPLE = Path(__file__).with_name("plan.example.toml")
"""The manual of plans."""
