"""Rules and the rewriter that applies them; what is known of sizes.

It stands below the gradient, which brings what it differentiates into stable form first.
"""
