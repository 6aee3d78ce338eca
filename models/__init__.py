"""The trained models that ship, one folder each."""
