"""Colisten: the open recommender for audiobooks, podcasts and whatever a platform adds next."""
