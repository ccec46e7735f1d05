"""The only modules that touch the world: files, locks, sockets."""
