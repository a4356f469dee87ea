"""A synthetic fleet of any size as dumps, with the truth analytics must report about it.

Its own package: it shares the column names with the loader (``streams``) and nothing else, so that a mistake
in the pipeline cannot hide in data made by the same code.
"""

from __future__ import annotations
