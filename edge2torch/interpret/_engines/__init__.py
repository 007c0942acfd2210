"""Who computes scores: passes along a path, held values, edges taken away, or Captum."""
