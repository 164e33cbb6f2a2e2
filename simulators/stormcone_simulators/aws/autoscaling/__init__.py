"""EC2 Auto Scaling: the lifecycle hooks that an instance on its way out waits for."""
