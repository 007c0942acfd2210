"""How far node scores can be believed: replicates, controls, and what is left after both."""
