"""Demand: what everybody will stream next, learned from what followed after past moments."""
