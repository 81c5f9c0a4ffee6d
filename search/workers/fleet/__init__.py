"""Workers that serve every study of a storage."""
