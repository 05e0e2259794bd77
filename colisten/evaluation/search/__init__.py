"""Hyper-parameter search over settings, validated on streams that no trial has seen."""
