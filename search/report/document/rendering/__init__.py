"""A report's blocks as HTML, as Markdown and as JSON."""
