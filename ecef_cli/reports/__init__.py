"""Reports: pages that need no network and no second file."""
