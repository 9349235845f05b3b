"""The doors: what a request is, what it is answered, over HTTP and gRPC."""
