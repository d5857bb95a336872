"""The report as files for other programs: csv and workbooks."""
