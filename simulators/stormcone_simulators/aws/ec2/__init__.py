"""EC2: what its query API says of instances and of their scheduled events."""
