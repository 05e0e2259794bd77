"""The `colisten` command: one module per command, joined at a thin group."""
