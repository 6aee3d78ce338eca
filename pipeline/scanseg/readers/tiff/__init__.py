"""The TIFF family: pages, calibrations of many programs, scans beside a preview."""
