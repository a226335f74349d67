"""What page, API, `top` and demo show: collected once, in one place."""
