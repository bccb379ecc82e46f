"""Subcommands of `avatar-forcing` that belong to no other room."""
