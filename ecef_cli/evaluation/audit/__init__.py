"""Does a run, or a recipe, keep to its protocol? Checks of leakage on the real components and the real data."""
