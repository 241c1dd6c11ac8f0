"""The block returns of many variants and what they say together about luck, in whole numbers."""
