"""Named settings: TOML files with differences from the defaults."""
