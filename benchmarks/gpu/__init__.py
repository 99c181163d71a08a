"""symnet on a GPU: tests and times in one report, for the day when one is at hand."""
