"""HDF5 files, and the layouts that programs give them."""
