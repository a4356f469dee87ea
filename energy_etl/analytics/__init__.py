"""From history to typed results: every figure is computed here, once, and shown elsewhere."""
