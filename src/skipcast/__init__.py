"""Predicts, the moment a track starts playing, whether the listener will skip it."""
