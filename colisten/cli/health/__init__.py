"""What `colisten doctor` looks at, one module per part of the machine."""
