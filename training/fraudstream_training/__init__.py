"""Trains models for fraudstream on the features that `fraudstream export-features` wrote."""
