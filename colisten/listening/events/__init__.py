"""Events as they happen: checked row by row, kept durably in one log, taken in by the next run."""
