"""Qdrant collections, profiles and recommending."""
