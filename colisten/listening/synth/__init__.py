"""Made-up listening data that behaves like the real thing, with the truth behind it."""

from colisten.listening.synth.catalogue import ItemType
from colisten.listening.synth.truth import Truth, true_preferences
from colisten.listening.synth.world import make_world

__all__ = ["ItemType", "Truth", "make_world", "true_preferences"]
