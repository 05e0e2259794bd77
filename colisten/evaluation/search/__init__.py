"""Hyper-parameter search over settings, judged on streams that no trial has seen."""
