"""A/B tests: assignment to groups, exposure logs, effects with bootstrap intervals."""
