"""The one exception that the local commands show to a person. It says what failed, where, and what to do."""


class WorkspaceError(Exception):
    """Its text is printed as it is, without a traceback."""
