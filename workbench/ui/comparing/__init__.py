"""Runs compared: their curves, settings, maps of one sample, results by class, different answers."""
