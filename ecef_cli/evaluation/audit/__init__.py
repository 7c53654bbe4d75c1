"""Check a run or a recipe for leakage, on the real components and data."""
