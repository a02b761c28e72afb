"""Commands: signed, published, answered."""
