"""Whether a sweep can answer what it was run for: one question a module, put together in check."""
