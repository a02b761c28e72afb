"""Who this gateway is: its key, its certificate, whom it trusts, and how it gets another in time."""
