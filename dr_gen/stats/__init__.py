"""Statistics on arrays: numbers in, numbers out, nothing about runs or files.

`arguments` checks what a caller passes; every other module is one kind of question. Results of
several parts are `typing.NamedTuple`s. scipy is imported inside the functions that need it, and
only `scipy.special`: `scipy.stats` takes 0.7 s to import.
"""
