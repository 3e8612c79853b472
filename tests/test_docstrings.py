"""What a docstring says of a loss: its purpose, and its source."""

import lossc

TEXT = '''"""What it is.
Source: a book,
1999

What else there is to say."""
loss f(y, yhat) = mean(abs(y - yhat))
'''


def test_a_citation_ends_at_a_blank_line():
    loss = lossc.compile(TEXT)
    assert loss.citation == "a book, 1999"
    assert loss.doc == "What it is.\n\nWhat else there is to say."
