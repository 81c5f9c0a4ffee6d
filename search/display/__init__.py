"""What people see: tables, live progress, reports."""
