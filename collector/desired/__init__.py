"""Desired documents: signed, published, answered."""
