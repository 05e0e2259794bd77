"""Synthetic listening data from a latent-factor choice model, with the true preferences behind it."""

from colisten.listening.synth.catalogue import ItemType
from colisten.listening.synth.truth import Truth, true_preferences
from colisten.listening.synth.world import make_world

__all__ = ["ItemType", "Truth", "make_world", "true_preferences"]
