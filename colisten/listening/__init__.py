"""Listening data: the data contract, checks, import, synthetic data, train–test splits, user histories."""
