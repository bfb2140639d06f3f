"""What the command line and a browser on site talk to: HTTP over a unix socket."""
