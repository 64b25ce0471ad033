"""The table of runs: its search box, columns, groups, views, and what is done to ticked rows."""
