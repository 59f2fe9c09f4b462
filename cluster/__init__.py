"""Where and how long: Ray, the scheduler, promotion, resources, progress."""
