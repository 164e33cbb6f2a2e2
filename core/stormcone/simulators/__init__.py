"""What the core knows of simulators: the contract that they keep, and a client of their control API."""
