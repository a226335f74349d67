"""Is every run, and the relay itself, all right? When it is not: one alert, in words, once. Pure but for `poll`."""
