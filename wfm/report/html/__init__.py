"""The report as one self-contained web page, and the templates, styles and filters that wfm's pages share."""
