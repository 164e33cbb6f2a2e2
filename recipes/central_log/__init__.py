"""A central log of events, which an outage and a reboot leave no hole in."""
