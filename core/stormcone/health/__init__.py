"""How an agent is, for whoever asks from outside: health, readiness, metrics and status, over HTTP.

`readiness` decides and `status` describes, both pure; `metrics` counts; `face` puts these together, `server` serves
them, and `client` asks the agent of a journal.
"""
