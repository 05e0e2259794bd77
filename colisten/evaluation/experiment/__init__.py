"""A/B tests: who is in which group, what each was shown, and what they streamed after that."""
