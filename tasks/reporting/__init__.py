"""The report: results read from artifacts, tables, pictures, one self-contained page."""
