"""Recipes that train the shipped models, as YAML."""
