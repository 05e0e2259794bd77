"""A/B tests where answers are given: groups by hash, their answers, exploration of slots, the log of exposures."""
