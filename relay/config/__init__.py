"""config.yaml -> typed settings, every mistake told at once; and what `check` tries. Knows no running relay."""
