"""One request, one decision: from headers and path to a verdict. Start at `gate`."""
