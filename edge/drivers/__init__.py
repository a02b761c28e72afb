"""Protocols above a line: what to ask, and what the answers mean."""
