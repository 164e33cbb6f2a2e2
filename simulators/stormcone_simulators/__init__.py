"""Simulators: servers that speak each cloud's own protocol."""
