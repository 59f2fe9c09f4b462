"""How a search ends that cannot go on: not for bad input, which is an `InputError`."""


class SearchFailed(RuntimeError):
    """No trial could be judged, or the search was interrupted. Nothing that was trained is lost."""
