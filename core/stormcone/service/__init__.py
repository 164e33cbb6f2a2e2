"""The agent as a service of systemd: its unit (`unit`), and what it tells systemd while it runs (`notify`)."""
