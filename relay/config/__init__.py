"""config.yaml -> typed settings, every mistake reported at once. Knows no running relay."""
