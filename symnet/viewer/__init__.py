"""The viewer: a graph, its passes and its program as one page for a browser."""
