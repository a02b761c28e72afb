"""People at the centre: who may do what, and the record of what they did."""
