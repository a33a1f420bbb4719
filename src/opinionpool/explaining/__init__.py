"""What an explanation is made of: each file one part of the dict of :func:`opinionpool.explain`."""
