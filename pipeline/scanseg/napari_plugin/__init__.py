"""The napari plugin: see what was found, correct it, measure it.

Long work runs ``scanseg`` in a process of its own, so numbers are those of the command line and the
window never waits. Importing any module here loads neither torch nor albumentations.
"""
