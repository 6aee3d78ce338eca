"""Formats of electron microscopes: DigitalMicrograph, MRC, TIA."""
