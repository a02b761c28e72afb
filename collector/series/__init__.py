"""Series: the embedded store, and the stores outside, as projections of the journal."""
