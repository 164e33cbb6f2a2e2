"""nginx: leave the pool, drain, come back, with a shell script on the balancer."""
