"""The Supervisor's operators of the lab (a simulation): they drive real objects on a real API server."""
