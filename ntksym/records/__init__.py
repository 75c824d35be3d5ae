"""What an analysis answers with: plain immutable records and the forms they are shown in."""

from ntksym.records.tables import Cell, Table

__all__ = ["Cell", "Table"]
