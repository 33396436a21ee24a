# the command line
