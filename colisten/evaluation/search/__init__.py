"""The wide search for settings, on listening that no trial has seen."""
