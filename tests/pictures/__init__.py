"""The pictures of README.md and docs, taken of real studies."""
