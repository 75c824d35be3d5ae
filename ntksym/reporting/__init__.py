"""Documents and figures of records."""
