"""What the pages bring along: one style, one script, one icon."""

from pathlib import Path

FOLDER = Path(__file__).with_name("static")
ASSETS = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
