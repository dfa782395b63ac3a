"""The one exception the local commands show to a person: a sentence that says what, where, and what to do."""


class WorkspaceError(Exception):
    """Its text is printed as it is, without a traceback."""
