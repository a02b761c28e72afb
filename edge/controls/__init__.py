"""Declared controls: outputs that follow conditions, safely left alone. Pure."""
