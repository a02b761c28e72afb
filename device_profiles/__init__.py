"""The documented device as data: one TOML a model, checked models for it, and the register codec.

What a vendor's document says stands here; where firmware departs from it stands in ``firmware_shims``.
"""
