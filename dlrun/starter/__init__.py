"""`dlrun init`: a first config for a data file, from what the file looks like."""
