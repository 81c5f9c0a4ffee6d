"""Plots of a study, drawn with plotly; a new one is one entry of `registry.PLOTS`."""
