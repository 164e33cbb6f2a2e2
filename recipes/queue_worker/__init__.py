"""A queue's worker: finish, or give back."""
