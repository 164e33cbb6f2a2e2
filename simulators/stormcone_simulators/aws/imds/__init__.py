"""The metadata service of an instance (IMDS), versions 1 and 2."""
