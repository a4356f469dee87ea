"""Dumps of any supported format, as batches of raw rows with their row numbers.

``discover`` finds files, ``recognise`` says what a file is, ``reader.open_source`` opens it. Nothing here
interprets a value.
"""
