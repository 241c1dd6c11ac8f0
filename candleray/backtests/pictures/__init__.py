"""Pictures of a verdict: the counts that they show, and how they are drawn."""
