"""Sinks: who is told of changes, runs and approvals, beside the work. `contract` is what whoever writes one reads."""
