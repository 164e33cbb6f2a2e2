"""HTTP as simulators serve it: whole, slow, cut off or spoilt, as a fault says."""
