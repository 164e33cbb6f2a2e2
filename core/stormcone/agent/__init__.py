"""The agent: the loop that polls, records, runs handlers and approves, and the parts that it is made of."""
