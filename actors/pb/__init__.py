"""Generated from proto/ by `make proto`; written by nobody."""
