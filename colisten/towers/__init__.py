"""User and item features, the two towers, their training and export."""
