"""What a report holds: pure functions from stored records to frozen values, one module for each section."""
