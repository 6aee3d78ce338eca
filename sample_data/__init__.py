"""Small simulated images with their truth."""
