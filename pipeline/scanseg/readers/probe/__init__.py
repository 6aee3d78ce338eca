"""Formats of scanning probe microscopes, and what their channels are called."""
