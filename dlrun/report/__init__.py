"""Reports: what is known of a run, as one page that needs no network."""
