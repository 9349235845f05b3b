"""Plain classes and functions, each owning one outside thing; knows nothing of HTTP."""
