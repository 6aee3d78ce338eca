"""Folders of images: planned, processed without a stop, recorded, resumed."""
