"""What experiments say: effects with bootstrap intervals, off-policy estimates of answers that nobody was given yet."""
