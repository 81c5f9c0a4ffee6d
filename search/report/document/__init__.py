"""The report of a study as one document: what it holds (content), its words (wording), its files (rendering)."""
