"""Our own files: runs as a folder of netCDF files that others can open too."""
