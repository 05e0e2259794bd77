"""Offline evaluation: metrics, baselines, reports, the paper's comparison, hyper-parameter search; A/B tests."""
