"""Report -> pages for a person."""
