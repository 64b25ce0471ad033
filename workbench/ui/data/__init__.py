"""Data as a training reads it, for the Data page."""
