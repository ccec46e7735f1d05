"""Runs that earlier versions left behind, as they are in this directory: they stay readable."""
