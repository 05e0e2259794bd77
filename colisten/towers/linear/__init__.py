"""Item–item weights (EASE, SLIM) by ridge regression on candidate items."""
