"""What TensorBoard shows beside the curves of the trainings, written by the driver: trials as a table, the search."""
