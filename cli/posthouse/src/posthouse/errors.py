"""One clear sentence for what went wrong, and the exit code that goes with it."""


class Problem(Exception):
    """Something a person can mend; the text is one sentence. Exit code 1."""

    exit_code = 1


class Refused(Problem):
    """The platform said no. Exit code 1."""


class Unreachable(Problem):
    """The platform did not answer. Exit code 3."""

    exit_code = 3
