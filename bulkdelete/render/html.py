def render(facts: object) -> str:
    """x."""
    return "<!doctype html>"
