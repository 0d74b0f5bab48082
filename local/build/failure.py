"""Why there is no build."""


class BuildFailed(Exception):
    """A function could not be built; the text says what to do."""
