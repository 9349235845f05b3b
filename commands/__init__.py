"""What the subcommands of `conclave` do; they know the system as its users do."""
