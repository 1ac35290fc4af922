"""What is read, in files and requests of every format, by one reading; it ships with a model.

- values: what a value may be spelled like
- columns: the same for a whole column
- headers: which columns there must be
- csv_text: CSV text as tables
- categories: reasons and contexts that no feature knows
"""
