"""A report in words: its sections as blocks that are neither HTML nor Markdown."""
