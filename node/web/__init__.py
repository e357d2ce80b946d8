"""The settlement desk and the REST interface over the services of one or several nodes."""
