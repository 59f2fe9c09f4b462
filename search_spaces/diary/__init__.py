"""The experiments of a cassava diary, each family a grid of its own, with what it found beside."""
