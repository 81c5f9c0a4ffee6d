"""Pruners, which stop trials early, and the audit of what stopping costs."""
