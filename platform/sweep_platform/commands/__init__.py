"""The verbs of the command line, one file each; the Python interface calls them too."""
