"""What the core knows of clouds: the contract of their providers, and what providers have in common."""
