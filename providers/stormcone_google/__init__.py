"""Google Compute Engine: what its metadata server says of a VM's maintenance."""
