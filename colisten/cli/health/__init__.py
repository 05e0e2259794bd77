"""The health checks of `colisten doctor`, one module per part of the system."""
