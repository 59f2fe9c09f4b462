"""Ray's loggers of the trackers that a search can be told to, a file each; imported where one was asked for."""
