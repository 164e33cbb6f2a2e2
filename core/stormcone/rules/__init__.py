"""The rules: what an observation, an attempt or a decision means. Pure functions over values, tables first."""
