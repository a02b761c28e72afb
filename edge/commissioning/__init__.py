"""Commissioning: who is on the wire, what it is, and what is wrong with it."""
