"""A long computation: checkpoint and restore."""
