"""How much of a list one answer has."""

PAGE = 100
LARGEST_PAGE = 1000


def page_size(asked: int) -> int:
    """What is asked for, within bounds; a page of our size where nothing is."""
    return min(asked, LARGEST_PAGE) if asked > 0 else PAGE
