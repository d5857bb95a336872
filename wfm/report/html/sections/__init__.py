"""The figures of each section of the page, one module per template in ``templates/sections``."""
