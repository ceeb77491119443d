"""Tables with delimiters, whoever wrote them: from text to columns to a log."""
