"""Relations beside co-listening: what the catalogue and the platform say of how items belong together."""
