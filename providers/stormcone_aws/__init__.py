"""AWS: the maintenance of EC2 instances, as their metadata service tells it."""
