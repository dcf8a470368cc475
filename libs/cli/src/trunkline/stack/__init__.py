"""The stack on one machine: which processes it is made of, how they are kept alive, how they end."""
