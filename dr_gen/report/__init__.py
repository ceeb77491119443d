"""What was found, told to people: sections, tables and figures as HTML, Markdown and JSON."""
