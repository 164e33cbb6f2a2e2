"""HAProxy: leave the pool, drain, come back."""
