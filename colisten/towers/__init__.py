"""User and item features, the two towers, item–item weights, model selection on validation, and export."""
