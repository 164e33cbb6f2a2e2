"""The configuration of an agent: one file, the environment and flags, from weak to strong.

A package that has settings of its own (a sink, a listener) defines a pydantic model for them and adds it to
`RunSettings` as one more field: a model for one table (`[health]`), or `dict[str, MODEL]` for named ones
(`[sinks.NAME]`). The model has defaults, docstrings under its fields, extra keys forbidden, is frozen, and has a
`SecretStr` for what is secret (`stormcone.config.model.Table` shows how; the package lies below this room, so it
brings a base of its own). The places of mistakes, the nearest right name, variables (`STORMCONE_HEALTH__LISTEN`), the
reference and the sample come of themselves.
"""
